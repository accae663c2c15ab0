// Changing the bytes of files; only files of working folders are.
#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "fs/filesystem.h"

namespace wfs {
namespace {

constexpr std::uint64_t copied_at_once = 16 << 20;
constexpr std::size_t copy_buffer_bytes = 1 << 20;

OpenFile& writable(Handle& handle) {
  auto* working = std::get_if<WorkingHandle>(&handle.of);
  if (!working) fail(Errc::read_only, "commits are read-only");
  return *working->file;
}

}  // namespace

Created FileSystem::create(Ino folder, std::string_view name, mode_t mode, OpenMode open_mode,
                           const Caller& caller) {
  return opened(make_file(folder, name, mode, caller), open_mode, caller);
}

Created FileSystem::create_unnamed(Ino folder, mode_t mode, OpenMode open_mode,
                                   const Caller& caller) {
  const auto owner = changeable(folder);
  return opened(working_reply(owner->make_unnamed(node_of(folder), mode, caller)), open_mode,
                caller);
}

Created FileSystem::opened(EntryReply entry, OpenMode mode, const Caller& caller) {
  Created created{std::move(entry), nullptr};
  const Ino ino = created.entry.attributes.ino;
  try {
    created.handle = open(ino, mode, caller);
  } catch (...) {
    forget(ino, 1);
    throw;
  }
  return created;
}

void FileSystem::drop_set_ids(Handle& handle, const Caller& caller) {
  if (caller.uid == 0) return;
  OpenFile& file = writable(handle);
  file.working().drop_set_ids(file.node());
}

std::size_t FileSystem::write(Handle& handle, std::uint64_t offset, Bytes bytes) {
  return writable(handle).write(offset, bytes);
}

void FileSystem::flush(Handle& handle) {
  if (handle.flushes) writable(handle).flush();
}

void FileSystem::sync(Handle& handle) {
  if (auto* working = std::get_if<WorkingHandle>(&handle.of)) working->file->sync();
}

void FileSystem::allocate(Handle& handle, int mode, Range range) {
  writable(handle).allocate(mode, range);
}

std::uint64_t FileSystem::copy(Handle& from, Range range, Handle& to, std::uint64_t offset) {
  OpenFile& target = writable(to);
  if (auto* working = std::get_if<WorkingHandle>(&from.of)) {
    // A whole file goes into an empty one without moving a byte.
    const std::uint64_t size = attributes(from.ino).attributes.size;
    const bool whole = range.offset == 0 && offset == 0 && range.length >= size;
    const std::uint64_t length = whole ? range.length : std::min(range.length, copied_at_once);
    return working->file->copy_to(range.offset, target, {offset, length});
  }
  // Out of a commit: by way of memory, a bounded piece a call.
  const std::uint64_t wanted = std::min(range.length, copied_at_once);
  Buffer buffer(std::min<std::uint64_t>(wanted, copy_buffer_bytes));
  std::uint64_t done = 0;
  while (done < wanted) {
    const MutableBytes piece =
        MutableBytes(buffer).first(std::min<std::uint64_t>(buffer.size(), wanted - done));
    const std::size_t got = read(from, range.offset + done, piece);
    if (got == 0) break;
    const std::size_t put = target.write(offset + done, Bytes(piece.first(got)));
    done += put;
    if (put < got) break;
  }
  return done;
}

}  // namespace wfs
