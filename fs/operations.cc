#include "fs/operations.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "fs/answers.h"
#include "fs/libfuse.h"
#include "fs/listing.h"
#include "fs/requests.h"

namespace wfs {
namespace {

constexpr std::uint64_t write_max = 1 << 20;  // also the largest read
constexpr unsigned rename_keeps = 1;          // RENAME_NOREPLACE
constexpr unsigned rename_exchanges = 2;      // RENAME_EXCHANGE

// Handlers: the arguments of a request as the plain values FileSystem speaks.

LookupAnswer lookup(const Call& call, fuse_ino_t parent, const char* name) {
  auto found = call.files.lookup(parent, name);
  return {std::move(found), {call.files.absent_timeout_seconds(parent, name)}};
}

AttributesReply getattr(const Call& call, fuse_ino_t ino, fuse_file_info*) {
  return call.files.attributes(ino);
}

AttributesReply setattr(const Call& call, fuse_ino_t ino, struct stat* wanted, int set,
                        fuse_file_info*) {
  AttributeChanges changes;
  const std::int64_t now = now_ns();
  if (set & FUSE_SET_ATTR_MODE) changes.mode = wanted->st_mode & 07777;
  if (set & FUSE_SET_ATTR_UID) changes.uid = wanted->st_uid;
  if (set & FUSE_SET_ATTR_GID) changes.gid = wanted->st_gid;
  if (set & FUSE_SET_ATTR_SIZE) changes.size = static_cast<std::uint64_t>(wanted->st_size);
  if (set & FUSE_SET_ATTR_ATIME) changes.atime_ns = ns_of(wanted->st_atim);
  if (set & FUSE_SET_ATTR_MTIME) changes.mtime_ns = ns_of(wanted->st_mtim);
  if (set & FUSE_SET_ATTR_ATIME_NOW) changes.atime_ns = now;
  if (set & FUSE_SET_ATTR_MTIME_NOW) changes.mtime_ns = now;
  return call.files.change(ino, changes);
}

TargetAnswer readlink(const Call& call, fuse_ino_t ino) {
  return {call.files.target_of(ino)};
}

EntryReply mknod(const Call& call, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  if (S_ISFIFO(mode) || S_ISSOCK(mode)) {
    return call.files.make_special(parent, name, mode, call.caller());
  }
  call.files.require_writable(parent);
  if (!S_ISREG(mode) && (mode & S_IFMT) != 0) {
    fail(Errc::not_permitted, "devices are not kept here");
  }
  const EntryReply made = call.files.make_file(parent, name, mode & 07777, call.caller());
  // Made without being opened: it is complete as it is.
  constexpr OpenMode writes{.reads = false, .writes = true};
  call.files.release(call.files.open(made.attributes.ino, writes, call.caller()));
  return made;
}

EntryReply mkdir(const Call& call, fuse_ino_t parent, const char* name, mode_t mode) {
  return call.files.make_folder(parent, name, mode & 07777, call.caller());
}

EntryReply symlink(const Call& call, const char* target, fuse_ino_t parent, const char* name) {
  return call.files.make_symlink(parent, name, target, call.caller());
}

Done unlink(const Call& call, fuse_ino_t parent, const char* name) {
  call.files.unlink(parent, name);
  return {};
}

Done rmdir(const Call& call, fuse_ino_t parent, const char* name) {
  call.files.remove_folder(parent, name);
  return {};
}

Done rename(const Call& call, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
  Existing existing = Existing::replace;
  if (flags == rename_keeps) {
    existing = Existing::keep;
  } else if (flags == rename_exchanges) {
    existing = Existing::exchange;
  } else if (flags != 0) {
    fail(Errc::invalid, "rename: unknown flags");
  }
  call.files.rename(parent, name, new_parent, new_name, existing);
  return {};
}

EntryReply link(const Call& call, fuse_ino_t ino, fuse_ino_t new_parent, const char* new_name) {
  return call.files.link(ino, new_parent, new_name);
}

OpenMode mode_of(int flags) {
  const int access = flags & O_ACCMODE;
  // Appending is left to the kernel, which knows the size and sends the offset: a page of a shared
  // mapping may come through an appending descriptor and belongs where it is.
  return {.reads = access != O_WRONLY,
          .writes = access != O_RDONLY || (flags & O_TRUNC) != 0,
          .truncates = (flags & O_TRUNC) != 0,
          .appends = false};
}

void set_open(fuse_file_info& info, Handle* handle) {
  info.fh = reinterpret_cast<std::uint64_t>(handle);
  info.direct_io = handle->caching == Caching::direct;
  info.keep_cache = handle->caching == Caching::keep;
  info.noflush = !handle->flushes;
}

// Tells the kernel of the backing files that no handle uses any more.
void close_unused(const Call& call) {
  for (const int id : call.files.passthrough().take_unused()) close_backing(call.request, id);
}

OpenAnswer open(const Call& call, fuse_ino_t ino, fuse_file_info* info) {
  OpenAnswer opened{*info, call.files.open(ino, mode_of(info->flags), call.caller())};
  set_open(opened.info, opened.handle);
  close_unused(call);
  const int backing = call.files.pass_through(
      *opened.handle, [&](int fd) { return open_backing(call.request, fd); });
  if (backing != 0) hand_over(opened.info, backing);
  return opened;
}

CreateAnswer create(const Call& call, fuse_ino_t parent, const char* name, mode_t mode,
                    fuse_file_info* info) {
  const OpenMode open_mode = mode_of(info->flags);
  CreateAnswer made{
      *info, name == unnamed_name
                 ? call.files.create_unnamed(parent, mode & 07777, open_mode, call.caller())
                 : call.files.create(parent, name, mode & 07777, open_mode, call.caller())};
  set_open(made.info, made.created.handle);
  return made;
}

DataAnswer read_from(const Call& call, Handle& handle, size_t size, off_t offset) {
  thread_local Buffer buffer;  // reused: a thread answers one request at a time
  if (buffer.size() < size) buffer.resize(size);
  const MutableBytes room = MutableBytes(buffer).first(size);
  const std::size_t got = call.files.read(handle, static_cast<std::uint64_t>(offset), room);
  return {Bytes(room.first(got))};
}

DataAnswer read(const Call& call, fuse_ino_t, size_t size, off_t offset, fuse_file_info* info) {
  return read_from(call, handle_of(info), size, offset);
}

WriteAnswer write(const Call& call, fuse_ino_t, const char* bytes, size_t size, off_t offset,
                  fuse_file_info* info) {
  // A page of a mapping comes without its writer; the kernel saw to the bits when it was mapped.
  if (!info->writepage) call.files.drop_set_ids(handle_of(info), call.caller());
  return {call.files.write(handle_of(info), static_cast<std::uint64_t>(offset),
                           as_bytes({bytes, size}))};
}

Done flush(const Call& call, fuse_ino_t, fuse_file_info* info) {
  call.files.flush(handle_of(info));
  return {};
}

Done release(const Call& call, fuse_ino_t, fuse_file_info* info) {
  call.files.release(&handle_of(info));
  close_unused(call);
  return {};
}

Done fsync(const Call& call, fuse_ino_t, int, fuse_file_info* info) {
  call.files.sync(handle_of(info));
  return {};
}

Done fallocate(const Call& call, fuse_ino_t, int mode, off_t offset, off_t length,
               fuse_file_info* info) {
  call.files.allocate(handle_of(info), mode,
                      {static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length)});
  return {};
}

WriteAnswer copy_file_range(const Call& call, fuse_ino_t, off_t from, fuse_file_info* from_info,
                            fuse_ino_t, off_t to, fuse_file_info* to_info, size_t length, int) {
  // The answer has 32 bits for how much was copied.
  const std::uint64_t bounded = std::min<std::uint64_t>(length, 0xffff'f000);
  return {call.files.copy(handle_of(from_info), {static_cast<std::uint64_t>(from), bounded},
                          handle_of(to_info), static_cast<std::uint64_t>(to))};
}

SeekAnswer lseek(const Call& call, fuse_ino_t, off_t from, int whence, fuse_file_info* info) {
  return {call.files.seek(handle_of(info), static_cast<std::uint64_t>(from), whence)};
}

OpenFolderAnswer opendir(const Call& call, fuse_ino_t ino, fuse_file_info* info) {
  OpenFolderAnswer opened{*info, call.files.open_folder(ino)};
  opened.info.fh = reinterpret_cast<std::uint64_t>(opened.handle);
  opened.info.cache_readdir = opened.handle->cached;
  opened.info.keep_cache = opened.handle->cached;
  return opened;
}

FolderAnswer readdir(const Call& call, fuse_ino_t, size_t size, off_t offset,
                     fuse_file_info* info) {
  Asked asked = asked_of(size, offset);
  const auto listed = call.files.list(folder_of(info), asked.number);
  asked.number = listed.number;
  return list_names(call, listed.listing, asked);
}

FolderAnswer readdirplus(const Call& call, fuse_ino_t folder, size_t size, off_t offset,
                         fuse_file_info* info) {
  Asked asked = asked_of(size, offset);
  const auto listed = call.files.list(folder_of(info), asked.number);
  asked.number = listed.number;
  return list_entries(call, folder, listed.listing, asked);
}

Done releasedir(const Call& call, fuse_ino_t, fuse_file_info* info) {
  call.files.release_folder(&folder_of(info));
  return {};
}

Done fsyncdir(const Call& call, fuse_ino_t ino, int, fuse_file_info*) {
  call.files.sync_folder(ino);
  return {};
}

// Without a handle, where the kernel opens without asking.

DataAnswer read_unopened(const Call& call, fuse_ino_t ino, size_t size, off_t offset,
                         fuse_file_info*) {
  return read_from(call, *call.files.unopened(ino), size, offset);
}

SeekAnswer lseek_unopened(const Call& call, fuse_ino_t ino, off_t from, int whence,
                          fuse_file_info*) {
  return {call.files.seek(*call.files.unopened(ino), static_cast<std::uint64_t>(from), whence)};
}

FolderAnswer readdir_unopened(const Call& call, fuse_ino_t folder, size_t size, off_t offset,
                              fuse_file_info*) {
  Asked asked = asked_of(size, offset);
  const auto listed = call.files.list_unopened(folder, asked.number);
  asked.number = listed.number;
  return list_names(call, listed.listing, asked);
}

FolderAnswer readdirplus_unopened(const Call& call, fuse_ino_t folder, size_t size, off_t offset,
                                  fuse_file_info*) {
  Asked asked = asked_of(size, offset);
  const auto listed = call.files.list_unopened(folder, asked.number);
  asked.number = listed.number;
  return list_entries(call, folder, listed.listing, asked);
}

struct statvfs statfs(const Call& call, fuse_ino_t) {
  return call.files.space();
}

Done setxattr(const Call& call, fuse_ino_t ino, const char* name, const char* value, size_t size,
              int flags) {
  const auto mode = flags & XATTR_CREATE    ? Working::XattrMode::create
                    : flags & XATTR_REPLACE ? Working::XattrMode::replace
                                            : Working::XattrMode::any;
  call.files.set_xattr(ino, name, {value, size}, mode);
  return {};
}

SizedAnswer getxattr(const Call& call, fuse_ino_t ino, const char* name, size_t size) {
  auto value = call.files.xattr(ino, name);
  if (!value) fail(Errc::no_attribute, cat("no attribute ", name));
  return {std::move(*value), size};
}

SizedAnswer listxattr(const Call& call, fuse_ino_t ino, size_t size) {
  SizedAnswer names{{}, size};
  for (const std::string& name : call.files.xattrs(ino)) {
    names.value += name;
    names.value += '\0';
  }
  return names;
}

Done removexattr(const Call& call, fuse_ino_t ino, const char* name) {
  call.files.remove_xattr(ino, name);
  return {};
}

// The errno that the exception under way is answered with. Requires: called in a handler of it.
int errno_of_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    if (error.code() == Errc::io || error.code() == Errc::corrupt) log(Level::error, error.what());
    return errno_of(error.code());
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  } catch (const std::exception& error) {
    log(Level::error, error.what());
    return EIO;
  } catch (...) {
    return EIO;
  }
}

FileSystem& files_of(fuse_req_t request) {
  return static_cast<Session*>(fuse_req_userdata(request))->files;
}

// Every request that has an answer comes through here.
template <auto handler, class... Arguments>
void serve(fuse_req_t request, Arguments... arguments) noexcept {
  const Call call{request, files_of(request)};
  int error = 0;
  try {
    const auto reply = handler(call, arguments...);
    answer(call, reply);
    return;
  } catch (...) {
    error = errno_of_exception();
  }
  fuse_reply_err(request, error);
}

void forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) noexcept {
  files_of(request).forget(ino, lookups);
  fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets) noexcept {
  for (size_t i = 0; i < count; ++i) files_of(request).forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(request);
}

void init(void* data, fuse_conn_info* connection) noexcept {
  connection->max_write = write_max;
  connection->max_background = 64;
  connection->congestion_threshold = 48;
  // Splicing copies more than it saves; caches are kept valid by us, and written through; the
  // kernel takes set-user-id bits away itself.
  choose_features(connection,
                  FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
                      FUSE_CAP_ATOMIC_O_TRUNC,
                  FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                      FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_WRITEBACK_CACHE |
                      FUSE_CAP_HANDLE_KILLPRIV);
  auto& session = *static_cast<Session*>(data);
  if (session.files.commits_only()) {
    // Opened without asking, so without our word on caching: what the kernel keeps of the top folder
    // and of generated files goes when their time changes; nothing else ever changes.
    choose_features(
        connection,
        FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_AUTO_INVAL_DATA, 0);
    session.files.passthrough().turn_off("a mount of commits only opens no files");
    session.on_init();
    return;
  }
  Passthrough& passthrough = session.files.passthrough();
  if (const std::string obstacle = passthrough_obstacle(); !obstacle.empty()) {
    passthrough.turn_off(obstacle);
  } else if (choose_passthrough(connection)) {
    passthrough.turn_on();
  } else {
    passthrough.turn_off("the kernel is built without it");
  }
  session.on_init();
}

fuse_lowlevel_ops table() {
  fuse_lowlevel_ops ops{};
  ops.init = init;
  ops.lookup = serve<&lookup>;
  ops.forget = forget;
  ops.forget_multi = forget_multi;
  ops.getattr = serve<&getattr>;
  ops.setattr = serve<&setattr>;
  ops.readlink = serve<&readlink>;
  ops.mknod = serve<&mknod>;
  ops.mkdir = serve<&mkdir>;
  ops.symlink = serve<&symlink>;
  ops.unlink = serve<&unlink>;
  ops.rmdir = serve<&rmdir>;
  ops.rename = serve<&rename>;
  ops.link = serve<&link>;
  ops.open = serve<&open>;
  ops.create = serve<&create>;
  ops.read = serve<&read>;
  ops.write = serve<&write>;
  ops.flush = serve<&flush>;
  ops.release = serve<&release>;
  ops.fsync = serve<&fsync>;
  ops.fallocate = serve<&fallocate>;
  ops.copy_file_range = serve<&copy_file_range>;
  ops.lseek = serve<&lseek>;
  ops.opendir = serve<&opendir>;
  ops.readdir = serve<&readdir>;
  ops.readdirplus = serve<&readdirplus>;
  ops.releasedir = serve<&releasedir>;
  ops.fsyncdir = serve<&fsyncdir>;
  ops.statfs = serve<&statfs>;
  ops.setxattr = serve<&setxattr>;
  ops.getxattr = serve<&getxattr>;
  ops.listxattr = serve<&listxattr>;
  ops.removexattr = serve<&removexattr>;
  return ops;
}

// The kernel does not ask again, neither to open nor to close.
void open_without_asking(fuse_req_t request, fuse_ino_t, fuse_file_info*) noexcept {
  fuse_reply_err(request, ENOSYS);
}

// Changes never come here: the kernel holds the mount to be read-only.
fuse_lowlevel_ops table_of_commits() {
  fuse_lowlevel_ops ops{};
  ops.init = init;
  ops.lookup = serve<&lookup>;
  ops.forget = forget;
  ops.forget_multi = forget_multi;
  ops.getattr = serve<&getattr>;
  ops.readlink = serve<&readlink>;
  ops.open = open_without_asking;
  ops.opendir = open_without_asking;
  ops.read = serve<&read_unopened>;
  ops.lseek = serve<&lseek_unopened>;
  ops.readdir = serve<&readdir_unopened>;
  ops.readdirplus = serve<&readdirplus_unopened>;
  ops.statfs = serve<&statfs>;
  ops.getxattr = serve<&getxattr>;
  ops.listxattr = serve<&listxattr>;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& operations(const FileSystem& files) {
  static const fuse_lowlevel_ops all = table();
  static const fuse_lowlevel_ops of_commits = table_of_commits();
  return files.commits_only() ? of_commits : all;
}

}  // namespace wfs
