// Opening files and reading them.
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "fs/filesystem.h"

namespace wfs {
namespace {

// The map of a content this small is small too.
constexpr std::uint64_t remembered_bytes_max = 1 << 20;

// So much of a file is read before it is worth decoding whole: a quarter, and more of a small one.
std::uint64_t worth_decoding(std::uint64_t size) noexcept {
  constexpr std::uint64_t several = 4 << 20;
  return std::min(size / 2, std::max(size / 4, several));
}

}  // namespace

Handle* FileSystem::keep(std::unique_ptr<Handle> handle) {
  Handle* const kept = handle.get();
  handles_.lock()->emplace(kept, std::move(handle));
  return kept;
}

// Small files are opened again and again: finding their bytes takes the index only once in a while.
std::shared_ptr<const ByteSource> FileSystem::bytes_of(const ContentId& content) {
  if (auto known = small_contents_.find(content)) return known;
  auto bytes = repository_.contents().open(content);
  // Staged bytes are not held longer than they are in use.
  const bool small = bytes->size() <= remembered_bytes_max;
  if (small && std::dynamic_pointer_cast<const PackedContent>(bytes)) {
    return small_contents_.put(content, std::move(bytes));
  }
  return bytes;
}

// Decodes ahead in a committed file of a working folder. Opening the file does not depend on it: the content
// may be one that is being committed just now, which the index does not know yet. Small files, of which
// folders have many, do not ask the index.
std::unique_ptr<ReadAhead> FileSystem::ahead_of(Working& working, NodeId file) {
  if (working.attributes(file).size < ReadAhead::file_bytes_min) return nullptr;
  const auto content = working.content_of(file);
  if (!content) return nullptr;
  try {
    return ReadAhead::over(repository_.contents().open(*content), ahead_pool_, ahead_max_);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    return nullptr;
  }
}

std::unique_ptr<Handle> FileSystem::open_committed(Ino file) {
  const auto node = snapshots_.find(file);
  if (node->entry.kind != Kind::file) fail(Errc::is_folder, "this is no file");
  auto handle = std::make_unique<Handle>();
  handle->ino = file;
  auto bytes = bytes_of(node->entry.content);
  handle->ahead = ReadAhead::over(bytes, ahead_pool_, ahead_max_);
  if (passthrough_.on() && node->entry.size >= DecodedFiles::file_bytes_min) {
    handle->decoded = decoded_->find(node->entry.content);
  }
  handle->of = CommitHandle{std::move(bytes), node->entry.content};
  return handle;
}

Handle* FileSystem::open(Ino file, OpenMode mode, const Caller& caller) {
  auto handle = std::make_unique<Handle>();
  handle->ino = file;
  switch (place_of(file)) {
    case Place::commit:
      if (mode.writes || mode.truncates) refuse(Place::commit);
      return keep(open_committed(file));
    case Place::control_file:
      if (mode.writes || mode.truncates) refuse(Place::control_file);
      handle->of = TextHandle{control_files_.text(file)};
      handle->caching = Caching::direct;
      return keep(std::move(handle));
    case Place::working:
      break;
    default:
      fail(Errc::is_folder, "this is no file");
  }
  const auto owner = working(file);
  if (mode.truncates && caller.uid != 0) owner->drop_set_ids(node_of(file));
  handle->of = WorkingHandle{owner->open(node_of(file), mode, caller)};
  // What is only written goes past the page cache, in pieces of the writer's own size. Whoever also
  // reads may want to map the file, which needs the cache.
  handle->caching = mode.writes && !mode.reads ? Caching::direct : Caching::keep;
  handle->flushes = mode.writes;
  if (!mode.writes) handle->ahead = ahead_of(*owner, node_of(file));
  return keep(std::move(handle));
}

int FileSystem::pass_through(Handle& handle, const std::function<int(int fd)>& open_backing) {
  const auto* commit = std::get_if<CommitHandle>(&handle.of);
  if (commit == nullptr || commit->bytes->size() < DecodedFiles::file_bytes_min) return 0;
  const auto way = passthrough_.enter(handle.ino, handle.decoded, open_backing);
  handle.counted = way.counted;
  handle.decoded = Fd();  // the kernel holds it now
  return way.backing_id;
}

// A commit's file of which a good part was read will be read to its end, and again: decoded whole it is
// read at the speed of a plain file. Already now, for many of its blocks are still decoded; the
// kernel gets the file from the first open on that finds no handle of it.
void FileSystem::count_read(Handle& handle, const CommitHandle& commit,
                            std::uint64_t length) noexcept {
  const std::uint64_t before = handle.bytes_read.fetch_add(length, std::memory_order_relaxed);
  const std::uint64_t size = commit.bytes->size();
  const std::uint64_t worth = worth_decoding(size);
  if (size < DecodedFiles::file_bytes_min || before >= worth || before + length < worth) return;
  if (!handle.ahead || !passthrough_.on()) return;
  try {
    decoded_->want(commit.content);
  } catch (const std::exception&) {
    // Without a decoded file reading goes on as before.
  }
}

void FileSystem::release(Handle* handle) noexcept {
  if (handle->counted) passthrough_.leave(handle->ino);
  const auto released = handles_.lock()->extract(handle);  // dropped without the lock
}

std::size_t FileSystem::read(Handle& handle, std::uint64_t offset, MutableBytes to) {
  if (auto* working = std::get_if<WorkingHandle>(&handle.of)) {
    if (handle.ahead) handle.ahead->note({offset, to.size()});
    return working->file->read(offset, to);
  }
  if (auto* text = std::get_if<TextHandle>(&handle.of)) {
    if (offset >= text->text.size()) return 0;
    const auto length = std::min<std::uint64_t>(to.size(), text->text.size() - offset);
    std::memcpy(to.data(), text->text.data() + offset, length);
    return length;
  }
  const auto& commit = std::get<CommitHandle>(handle.of);
  const ByteSource& bytes = *commit.bytes;
  if (offset >= bytes.size()) return 0;
  const auto length = std::min<std::uint64_t>(to.size(), bytes.size() - offset);
  if (handle.ahead) handle.ahead->note({offset, length});
  bytes.read(offset, to.first(length));
  count_read(handle, commit, length);
  return length;
}

std::uint64_t FileSystem::seek(Handle& handle, std::uint64_t from, int whence) {
  if (auto* working = std::get_if<WorkingHandle>(&handle.of))
    return working->file->seek(from, whence);
  const auto* commit = std::get_if<CommitHandle>(&handle.of);
  if (!commit || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
    fail(Errc::invalid, "this file has no holes to look for");
  }
  const std::uint64_t size = commit->bytes->size();
  if (from >= size) fail(Errc::beyond_end, "there is nothing behind the end");
  return whence == SEEK_DATA ? from : size;  // one extent: holes are not history
}

}  // namespace wfs
