// What a request is answered with: one type for each kind of answer, and the function that sends
// it. Sending never throws, and touches no handle once the kernel has the answer: it may have
// released it by then. An answer that the kernel no longer waits for takes back what it counted or
// opened. Part of operations.cc.
#pragma once

#include <fuse_lowlevel.h>

#include <cerrno>
#include <string>
#include <vector>

#include "fs/filesystem.h"

namespace wfs {

// One request: what every handler gets besides its arguments.
struct Call {
  fuse_req_t request;
  FileSystem& files;

  Caller caller() const {
    const fuse_ctx* context = fuse_req_ctx(request);
    return {context->uid, context->gid, context->pid, context->umask};
  }
};

inline timespec timespec_of(std::int64_t ns) {
  constexpr std::int64_t second = 1'000'000'000;
  std::int64_t seconds = ns / second;
  std::int64_t rest = ns % second;
  if (rest < 0) {
    rest += second;
    --seconds;
  }
  return {seconds, rest};
}

inline struct stat stat_of(const Attributes& attributes) {
  struct stat stat {};
  stat.st_ino = attributes.ino;
  stat.st_mode = attributes.mode;
  stat.st_nlink = static_cast<nlink_t>(attributes.links);
  stat.st_uid = attributes.uid;
  stat.st_gid = attributes.gid;
  stat.st_size = static_cast<off_t>(attributes.size);
  // Blocks of the logical size: tar and cp take a file of fewer for one with holes.
  stat.st_blocks = static_cast<blkcnt_t>((attributes.size + 511) / 512);
  stat.st_blksize = 1 << 20;
  stat.st_atim = timespec_of(attributes.atime_ns);
  stat.st_mtim = timespec_of(attributes.mtime_ns);
  stat.st_ctim = timespec_of(attributes.ctime_ns);
  return stat;
}

inline fuse_entry_param entry_of(const EntryReply& reply) {
  fuse_entry_param entry{};
  entry.ino = reply.attributes.ino;
  entry.generation = 1;
  entry.attr = stat_of(reply.attributes);
  entry.attr_timeout = reply.attribute_timeout_seconds;
  entry.entry_timeout = reply.entry_timeout_seconds;
  return entry;
}

inline Handle& handle_of(const fuse_file_info* info) {
  return *reinterpret_cast<Handle*>(info->fh);
}

inline FolderHandle& folder_of(const fuse_file_info* info) {
  return *reinterpret_cast<FolderHandle*>(info->fh);
}

struct Done {};
struct Absent {
  double timeout_seconds = 0;
};
struct LookupAnswer {
  std::optional<EntryReply> found;
  Absent absent;
};
struct TargetAnswer {
  std::string target;
};
struct OpenAnswer {
  fuse_file_info info;
  Handle* handle;
};
struct OpenFolderAnswer {
  fuse_file_info info;
  FolderHandle* handle;
};
struct CreateAnswer {
  fuse_file_info info;
  Created created;
};
struct WriteAnswer {
  std::size_t bytes;
};
struct SeekAnswer {
  std::uint64_t offset;
};
struct DataAnswer {
  Bytes bytes;
};
// Entries of a folder; `looked_up` are what the kernel will know once it has them.
struct FolderAnswer {
  std::vector<char> bytes;
  std::vector<Ino> looked_up;
};
// A value asked for by its size first (0), then with room for it.
struct SizedAnswer {
  std::string value;
  std::size_t room;
};

inline void answer(const Call& call, const Done&) noexcept {
  fuse_reply_err(call.request, 0);
}

inline void answer(const Call& call, const EntryReply& reply) noexcept {
  const fuse_entry_param entry = entry_of(reply);
  FileSystem& files = call.files;
  // An interrupted request: the kernel does not know of the lookup that was counted.
  if (fuse_reply_entry(call.request, &entry) == -ENOENT) files.forget(entry.ino, 1);
}

inline void answer(const Call& call, const LookupAnswer& reply) noexcept {
  if (reply.found) return answer(call, *reply.found);
  if (reply.absent.timeout_seconds == 0) {
    fuse_reply_err(call.request, ENOENT);
    return;
  }
  fuse_entry_param entry{};
  entry.entry_timeout = reply.absent.timeout_seconds;
  fuse_reply_entry(call.request, &entry);
}

inline void answer(const Call& call, const AttributesReply& reply) noexcept {
  const struct stat stat = stat_of(reply.attributes);
  fuse_reply_attr(call.request, &stat, reply.timeout_seconds);
}

inline void answer(const Call& call, const TargetAnswer& reply) noexcept {
  fuse_reply_readlink(call.request, reply.target.c_str());
}

inline void answer(const Call& call, const OpenAnswer& reply) noexcept {
  FileSystem& files = call.files;
  if (fuse_reply_open(call.request, &reply.info) == -ENOENT) files.release(reply.handle);
}

inline void answer(const Call& call, const OpenFolderAnswer& reply) noexcept {
  FileSystem& files = call.files;
  if (fuse_reply_open(call.request, &reply.info) == -ENOENT) files.release_folder(reply.handle);
}

inline void answer(const Call& call, const CreateAnswer& reply) noexcept {
  FileSystem& files = call.files;
  const fuse_entry_param entry = entry_of(reply.created.entry);
  if (fuse_reply_create(call.request, &entry, &reply.info) != -ENOENT) return;
  files.release(reply.created.handle);
  files.forget(entry.ino, 1);
}

inline void answer(const Call& call, const WriteAnswer& reply) noexcept {
  fuse_reply_write(call.request, reply.bytes);
}

inline void answer(const Call& call, const SeekAnswer& reply) noexcept {
  fuse_reply_lseek(call.request, static_cast<off_t>(reply.offset));
}

inline void answer(const Call& call, const DataAnswer& reply) noexcept {
  fuse_reply_buf(call.request, reinterpret_cast<const char*>(reply.bytes.data()),
                 reply.bytes.size());
}

inline void answer(const Call& call, const FolderAnswer& reply) noexcept {
  FileSystem& files = call.files;
  if (fuse_reply_buf(call.request, reply.bytes.data(), reply.bytes.size()) != -ENOENT) return;
  for (const Ino ino : reply.looked_up) files.forget(ino, 1);
}

inline void answer(const Call& call, const SizedAnswer& reply) noexcept {
  if (reply.room == 0) {
    fuse_reply_xattr(call.request, reply.value.size());
  } else if (reply.value.size() > reply.room) {
    fuse_reply_err(call.request, ERANGE);
  } else {
    fuse_reply_buf(call.request, reply.value.data(), reply.value.size());
  }
}

inline void answer(const Call& call, const struct statvfs& reply) noexcept {
  fuse_reply_statfs(call.request, &reply);
}

}  // namespace wfs
