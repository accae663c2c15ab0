// The bytes of files in a working folder: open, read, write, complete. Bytes move without the lock of the
// Working; what is current, frozen or complete changes under it.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "fs/working.h"

namespace wfs {
namespace {

// A frozen file that is changed again is copied when it is small, laid over when it is large.
constexpr std::uint64_t copied_bytes_max = 1 << 20;
// A file gathered from this many staged files is copied into one.
constexpr unsigned depth_max = 16;
constexpr std::size_t piece_bytes = 1 << 20;

void copy_bytes(const ByteSource& from, StagedFile& to, std::uint64_t length) {
  Buffer piece(static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, length)));
  for (std::uint64_t at = 0; at < length;) {
    const auto part = MutableBytes(piece).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), length - at)));
    from.read(at, part);
    to.write(at, part);
    at += part.size();
  }
}

bool starts_as_tensors(const ByteSource& file) {
  std::array<std::byte, 9> head{};
  if (file.size() < head.size()) return false;
  file.read(0, head);
  const std::string_view text = as_text(head);
  return text.starts_with("GGUF") || text.starts_with("\x93NUMPY") || text.starts_with("PK\x03\x04") ||
         text.starts_with("\x89HDF") || text[8] == '{';
}

std::string name_of_process(pid_t pid) {
  try {
    const Buffer bytes = read_file(cat("/proc/", pid, "/comm"));
    std::string name(as_text(bytes));
    while (!name.empty() && name.back() == '\n') name.pop_back();
    return name;
  } catch (const Error&) {
    return "";  // it has ended already
  }
}

}  // namespace

std::shared_ptr<const ByteSource> Working::open_bytes(const Version& version) {
  if (version.staged) return version.staged;
  return repository_.contents().open(version.content);
}

StagedBase Working::base_of(const Version& version) {
  if (version.staged) return {version.staged, std::nullopt, version.staged};
  return {repository_.contents().open(version.content), version.content, nullptr};
}

std::shared_ptr<const ByteSource> Working::readable(NodeId id) {
  Version version;
  {
    auto all = folders_.lock();
    const Node& file = node(*all, id);
    if (file.file.current.staged) return file.file.current.staged;
    if (file.file.bytes) return file.file.bytes;
    version = file.file.current;
  }
  auto bytes = open_bytes(version);
  auto all = folders_.lock();
  Node& file = node(*all, id);
  if (file.file.current.same_as(version)) file.file.bytes = bytes;
  return bytes;
}

std::shared_ptr<StagedFile> Working::staged_over(const Version& version, std::uint64_t keep) {
  auto& staging = repository_.staging();
  if (keep == 0) return staging.create();
  const bool copied = keep <= copied_bytes_max ||
                      (version.staged && version.staged->depth() >= depth_max);
  if (!copied) return staging.create_over(base_of(version), keep);
  auto file = staging.create();
  copy_bytes(*open_bytes(version), *file, keep);
  return file;
}

void Working::install(Folders& all, Node& file, std::shared_ptr<StagedFile> staged) {
  protect(all, file);
  const std::uint64_t size = staged->size();
  file.file.current = {std::move(staged), {}, size};
  file.file.bytes = nullptr;
  all.dirty.nodes.insert(file.id);
}

std::shared_ptr<StagedFile> Working::writable(NodeId id, std::uint64_t keep) {
  for (;;) {
    Version version;
    {
      auto all = folders_.lock();
      const Node& file = node(*all, id);
      version = file.file.current;
    }
    if (version.staged && !version.staged->frozen()) return version.staged;
    await_protected(id);
    auto staged = staged_over(version, std::min(keep, version.size));
    auto all = folders_.lock();
    Node& file = node(*all, id);
    if (!file.file.current.same_as(version)) continue;  // another writer was first
    install(*all, file, staged);
    return staged;
  }
}

void Working::wrote(Folders& all, Node& file) {
  file.file.current.size = file.file.current.staged->size();
  file.file.written_ms = steady_ms();
  file.file.flushed = false;
  file.mtime_ns = file.ctime_ns = now_ns();
  all.dirty.nodes.insert(file.id);
}

void Working::note_write(NodeId id) {
  auto all = folders_.lock();
  Node& file = node(*all, id);
  if (file.file.current.staged) wrote(*all, file);
}

void Working::note_failure(NodeId id) {
  auto all = folders_.lock();
  Node& file = node(*all, id);
  file.file.failed = true;
  file.file.current.size = file.file.current.staged->size();
  all->dirty.nodes.insert(id);
}

void Working::truncate(NodeId id, std::uint64_t size) {
  constexpr std::uint64_t size_max = INT64_MAX;
  if (size > size_max) fail(Errc::too_large, "the file would be too large");
  {
    auto all = folders_.lock();
    Node& file = node(*all, id);
    if (file.kind == Kind::folder) fail(Errc::is_folder, "a folder has no size");
    if (file.kind != Kind::file || file.special != 0) fail(Errc::invalid, "not a file");
    if (file.file.current.size == size && !file.file.failed) {
      file.mtime_ns = file.ctime_ns = now_ns();  // as if bytes had changed
      all->dirty.nodes.insert(id);
      if (file.file.writers == 0) complete(*all, file);
      return;
    }
  }
  writable(id, size)->resize(size);
  auto all = folders_.lock();
  Node& file = node(*all, id);
  wrote(*all, file);
  if (size == 0) file.file.failed = false;  // what follows is written anew
  if (file.file.writers == 0) complete(*all, file);
}

void Working::complete(Folders& all, Node& file) {
  Version& current = file.file.current;
  file.file.flushed = false;
  if (file.file.failed) return;
  if (!current.staged || current.staged->frozen()) {
    // Nothing was written, but the time may have been set while the file was open.
    if (file.file.complete_mtime_ns == file.mtime_ns || !file.file.complete) return;
    file.file.complete_mtime_ns = file.mtime_ns;
    if (is_history(all, file)) touch_parents(all, file);
    return;
  }
  current.staged->freeze();
  current.size = current.staged->size();
  file.file.complete = current;
  file.file.complete_mtime_ns = file.mtime_ns;
  all.dirty.nodes.insert(file.id);
  const bool shows = is_history(all, file);
  if (shows) touch_parents(all, file);
  if (is_model(file)) note_model(all, file);
  note_unhashed(all, file);
  file.file.completed = ++all.stamp;
  if (!shows || !rules_.at_every_close) return;
  Cut cut = cut_now(all, "", "");
  rules_.submit(std::move(cut), all.cut_stamp);
}

std::shared_ptr<OpenFile> Working::open(NodeId id, OpenMode mode, const Caller& caller) {
  auto opened = std::make_shared<OpenFile>(shared_from_this(), id, mode);
  {
    std::string writer = mode.writes ? name_of_process(caller.pid) : "";
    auto all = folders_.lock();
    Node& file = node(*all, id);
    if (file.special != 0) fail(Errc::invalid, "the kernel opens pipes and sockets itself");
    if (mode.writes) {
      ++file.file.writers;
      all->writing.insert(id);
      if (!writer.empty()) all->writer = std::move(writer);
    } else {
      ++file.file.readers;
    }
    opened->counted_ = true;
    if (file.kind != Kind::file) fail(Errc::is_folder, "not a file");
  }
  if (mode.writes && mode.truncates) truncate(id, 0);
  return opened;
}

void Working::flush(NodeId id, bool writes) {
  if (!writes) return;
  {
    auto all = folders_.lock();
    Node& file = node(*all, id);
    const Version& current = file.file.current;
    if (!current.staged || current.staged->frozen()) return;
    // The release is on its way; a crash before it must not take a file that was closed.
    file.file.flushed = file.file.writers == 1 && !file.file.failed;
    all->dirty.nodes.insert(id);
  }
  save(Durability::later);
}

bool Working::looks_like_tensors(NodeId id) {
  try {
    return starts_as_tensors(*readable(id));
  } catch (const Error& error) {
    // A file that cannot be read is closed like any other.
    log(Level::warning, cat("branch ", branch_, ": ", error.what()));
    return false;
  }
}

void Working::release(NodeId id, OpenMode mode) noexcept {
  try {
    const bool is_tensors = mode.writes && looks_like_tensors(id);
    auto all = folders_.lock();
    Node& file = node(*all, id);
    if (mode.writes) {
      file.file.is_tensors = is_tensors;
      if (is_tensors) note_model(*all, file);
      if (--file.file.writers == 0) {
        all->writing.erase(id);
        complete(*all, file);
      }
    } else {
      --file.file.readers;
    }
    drop_if_unused(*all, id);
  } catch (const std::exception& error) {
    log(Level::error, cat("branch ", branch_, ": release: ", error.what()));
  }
}

OpenFile::~OpenFile() {
  if (counted_) working_->release(node_, mode_);
}

std::size_t OpenFile::read(std::uint64_t offset, MutableBytes to) {
  const auto bytes = working_->readable(node_);
  const std::uint64_t size = bytes->size();
  if (offset >= size) return 0;
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), size - offset));
  bytes->read(offset, to.first(length));
  return length;
}

std::size_t OpenFile::write(std::uint64_t offset, Bytes bytes) {
  constexpr std::uint64_t size_max = INT64_MAX;
  const auto staged = working_->writable(node_, UINT64_MAX);
  if (mode_.appends) offset = staged->size();
  if (offset > size_max - bytes.size()) fail(Errc::too_large, "the file would be too large");
  try {
    staged->write(offset, bytes);
  } catch (const Error&) {
    working_->note_failure(node_);
    throw;
  }
  working_->note_write(node_);
  return bytes.size();
}

void OpenFile::flush() { working_->flush(node_, mode_.writes); }

void OpenFile::sync() {
  std::shared_ptr<StagedFile> staged;
  {
    auto all = working_->folders_.lock();
    staged = Working::node(*all, node_).file.current.staged;
  }
  if (staged) staged->sync();
  working_->save(Durability::now);
}

void OpenFile::allocate(int mode, Range range) {
  const auto staged = working_->writable(node_, UINT64_MAX);
  switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
      staged->reserve(range);
      if (mode == 0 && range.end() > staged->size()) staged->resize(range.end());
      break;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE: staged->punch(range); break;
    case FALLOC_FL_ZERO_RANGE:
      // First what may be refused: nothing has changed then.
      if (range.end() > staged->size()) staged->resize(range.end());
      staged->punch(range);
      break;
    default: fail(Errc::unsupported, "this kind of fallocate is not supported");
  }
  working_->note_write(node_);
}

std::uint64_t OpenFile::seek(std::uint64_t from, int whence) {
  const auto bytes = working_->readable(node_);
  const std::uint64_t size = bytes->size();
  if (from >= size) fail(Errc::beyond_end, "nothing is there");
  const auto* staged = dynamic_cast<const StagedFile*>(bytes.get());
  if (whence == SEEK_HOLE) return staged != nullptr ? staged->next_hole(from) : size;
  const std::uint64_t data = staged != nullptr ? staged->next_data(from) : from;
  if (data >= size) fail(Errc::beyond_end, "only a hole is there");
  return data;
}

std::uint64_t OpenFile::copy_to(std::uint64_t from, OpenFile& target, Range range) {
  const auto bytes = working_->readable(node_);
  const std::uint64_t size = bytes->size();
  if (from >= size) return 0;
  const std::uint64_t length = std::min(range.length, size - from);
  if (from == 0 && range.offset == 0 && length == size &&
      target.working_->share(*working_, node_, target.node_)) {
    return length;
  }
  Buffer piece(static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, length)));
  for (std::uint64_t done = 0; done < length;) {
    const auto part = MutableBytes(piece).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), length - done)));
    bytes->read(from + done, part);
    target.write(range.offset + done, part);
    done += part.size();
  }
  return length;
}

bool Working::share(Working& source, NodeId from, NodeId to) {
  Version version;
  {
    auto all = source.folders_.lock();
    version = node(*all, from).file.current;
  }
  if (version.size == 0 || (version.staged && !version.staged->frozen())) return false;
  {
    auto all = folders_.lock();
    if (node(*all, to).file.current.size != 0) return false;
  }
  auto staged = repository_.staging().create_over(base_of(version), version.size);
  auto all = folders_.lock();
  Node& file = node(*all, to);
  if (file.file.current.size != 0) return false;
  install(*all, file, std::move(staged));
  wrote(*all, file);
  return true;
}

}  // namespace wfs
