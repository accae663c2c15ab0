#include "index/decoded_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/priority.h"
#include "codec/split.h"

namespace wfs {
namespace {

// Written in large pieces, so that the kernel keeps the file in large pages.
constexpr std::size_t piece_bytes = 4 << 20;
constexpr std::uint64_t low_bytes_max = 4ull << 30;
constexpr std::chrono::seconds look_interval{1};
constexpr std::size_t wanted_max = 256;

// The disk runs low when less than this is free.
std::uint64_t low_of(const DiskSpace& space) noexcept {
  return std::min(space.total / 20, low_bytes_max);
}

struct Sum {
  std::uint64_t size = 0;
  Hash128 hash;
};

// "SIZE HASH\n"
std::optional<Sum> sum_in(const stdfs::path& path) {
  const Buffer bytes = read_file(path);
  const std::string text(as_text(bytes));
  const auto space = text.find(' ');
  if (space == text.npos || space == 0 || space > 19 || !text.ends_with('\n')) return std::nullopt;
  if (text.find_first_not_of("0123456789") != space) return std::nullopt;
  const auto hash = unhex(std::string_view(text).substr(space + 1, text.size() - space - 2));
  Sum sum{std::stoull(text.substr(0, space)), {}};
  if (!hash || hash->size() != sum.hash.bytes.size()) return std::nullopt;
  std::copy(hash->begin(), hash->end(), sum.hash.bytes.begin());
  return sum;
}

}  // namespace

DiskSpace space_of(const stdfs::path& folder) {
  struct ::statvfs found {};
  if (::statvfs(folder.c_str(), &found) != 0) return {};
  return {found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize};
}

DecodedFiles::DecodedFiles(stdfs::path folder, Contents& contents, Options options)
    : folder_(std::move(folder)), contents_(contents), space_(std::move(options.space)) {
  if (!space_) space_ = [this] { return space_of(folder_); };
  try {
    stdfs::create_directories(folder_);
    take_up();
    auto state = state_.lock();
    bytes_max_ = options.bytes_max.value_or((space_().free + state->bytes) / 10);
    make_room(*state, 0);
  } catch (const std::exception& error) {
    // Nothing depends on decoded files: without them every read is decoded.
    log(Level::warning, cat("no files are kept decoded: ", error.what()));
    bytes_max_ = 0;
  }
  worker_ = std::jthread([this] { work(); });
}

DecodedFiles::~DecodedFiles() {
  stop();
}

void DecodedFiles::stop() noexcept {
  state_.lock()->stopping = true;
  changed_.notify_all();
}

DecodedFiles::Stamp DecodedFiles::stamp_of(const Fd& fd) {
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) fail_errno(errno, "cannot stat a decoded file");
  return {static_cast<std::uint64_t>(found.st_size), found.st_ino, ns_of(found.st_mtim),
          ns_of(found.st_ctim)};
}

void DecodedFiles::take_up() {
  auto state = state_.lock();
  std::vector<stdfs::path> left;
  for (const auto& found : stdfs::directory_iterator(folder_)) {
    const stdfs::path& path = found.path();
    if (path.extension() == ".sum") {
      if (!stdfs::exists(stdfs::path(path).replace_extension())) left.push_back(path);
      continue;
    }
    const auto id = id_of_hex<ContentId>(path.filename().native());
    std::error_code error;
    const auto sum = id && stdfs::exists(sum_of(*id), error) ? sum_in(sum_of(*id)) : std::nullopt;
    if (!sum || !found.is_regular_file() || found.file_size() != sum->size) {
      left.push_back(path);
      if (id) left.push_back(sum_of(*id));
      continue;
    }
    struct stat used {};
    ::stat(sum_of(*id).c_str(), &used);
    state->entries[*id] = {sum->size, sum->hash, ns_of(used.st_mtim), std::nullopt};
    state->bytes += sum->size;
  }
  std::error_code ignored;
  for (const auto& path : left) stdfs::remove_all(path, ignored);
}

const ContentId* DecodedFiles::oldest(const State& state) noexcept {
  const auto at = std::min_element(
      state.entries.begin(), state.entries.end(),
      [](const auto& a, const auto& b) { return a.second.used_ns < b.second.used_ns; });
  return at == state.entries.end() ? nullptr : &at->first;
}

void DecodedFiles::remove(State& state, const ContentId& id) noexcept {
  const auto at = state.entries.find(id);
  if (at == state.entries.end()) return;
  // Who has it open, the kernel too, goes on reading it.
  ::unlink(file_of(id).c_str());
  ::unlink(sum_of(id).c_str());
  state.bytes -= at->second.size;
  state.entries.erase(at);
}

// Removes the oldest until `size` more bytes keep to the bound and leave the disk enough.
bool DecodedFiles::make_room(State& state, std::uint64_t size) {
  if (size > 0) {  // nothing is removed for what will not fit even so
    const DiskSpace space = space_();
    if (state.reserved + size > bytes_max_) return false;
    if (space.free + state.bytes < low_of(space) + state.reserved + size) return false;
  }
  const auto too_much = [&] { return state.bytes + state.reserved + size > bytes_max_; };
  const auto too_low = [&] {
    const DiskSpace space = space_();
    return space.free < low_of(space) + state.reserved + size;
  };
  while (too_much() || too_low()) {
    const ContentId* id = oldest(state);
    if (id == nullptr) return false;
    remove(state, ContentId(*id));
  }
  return true;
}

void DecodedFiles::give_back() {
  auto state = state_.lock();
  if (!state->entries.empty()) make_room(*state, 0);
}

Fd DecodedFiles::find(const ContentId& id) {
  if (!is_on()) return Fd();
  auto state = state_.lock();
  const auto at = state->entries.find(id);
  if (at == state->entries.end()) return Fd();
  Entry& entry = at->second;
  entry.used_ns = now_ns();
  if (entry.trusted) {
    Fd file(::open(file_of(id).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file && stamp_of(file) == *entry.trusted) {
      ::utimensat(AT_FDCWD, sum_of(id).c_str(), nullptr, 0);  // the age of use survives a restart
      return file;
    }
    if (!file) {
      if (errno == ENOENT) remove(*state, id);
      return Fd();
    }
    entry.trusted.reset();  // somebody changed it
  }
  state.release();
  want(id);
  return Fd();
}

void DecodedFiles::want(const ContentId& id) {
  if (!is_on()) return;
  {
    auto state = state_.lock();
    if (state->wanted.size() >= wanted_max) return;
    if (!state->busy.insert(id).second) return;
    state->wanted.push_back(id);
  }
  changed_.notify_all();
}

void DecodedFiles::done(const ContentId& id) {
  state_.lock()->busy.erase(id);
  changed_.notify_all();
}

DecodedFiles::Filled DecodedFiles::fill(const ContentId& id) {
  if (!is_on()) return Filled::not_worth_it;
  {
    auto state = state_.lock();
    state.wait(changed_, [&] { return state->stopping || !state->busy.contains(id); });
    if (state->stopping) fail(Errc::busy, "the mount is ending");
    state->busy.insert(id);
  }
  try {
    const Filled filled = fill(id, Pace::at_once);
    done(id);
    return filled;
  } catch (...) {
    done(id);
    throw;
  }
}

// Requires: this thread has `id` among the busy.
DecodedFiles::Filled DecodedFiles::fill(const ContentId& id, Pace pace) {
  std::optional<Entry> known;
  {
    auto state = state_.lock();
    const auto at = state->entries.find(id);
    if (at != state->entries.end()) known = at->second;
  }
  if (known && (known->trusted || check(id, *known))) return Filled::there;
  return make(id, pace);
}

// Whether the file holds what its sum says; it is trusted from then on, or removed.
bool DecodedFiles::check(const ContentId& id, const Entry& entry) {
  std::optional<Stamp> stamp;
  try {
    const Fd file = open_file(file_of(id), O_RDONLY | O_NOFOLLOW);
    const Stamp before = stamp_of(file);
    Buffer piece(piece_bytes);
    Xxh3 hasher;
    for (std::uint64_t at = 0; at < entry.size; at += piece.size()) {
      if (stopping()) fail(Errc::busy, "the mount is ending");
      const auto length = std::min<std::uint64_t>(piece.size(), entry.size - at);
      read_exactly(file, at, MutableBytes(piece).first(length));
      hasher.add(Bytes(piece).first(length));
    }
    if (before.size == entry.size && hasher.finish() == entry.hash && stamp_of(file) == before) {
      stamp = before;
    }
  } catch (const Error& error) {
    if (error.code() == Errc::busy) throw;
    log(Level::warning, error.what());
  }
  auto state = state_.lock();
  const auto at = state->entries.find(id);
  if (at == state->entries.end()) return false;
  at->second.trusted = stamp;
  if (stamp) return true;
  log(Level::warning, cat("the decoded file ", hex(id), " is damaged; it is made again when read"));
  remove(*state, id);
  return false;
}

DecodedFiles::Filled DecodedFiles::make(const ContentId& id, Pace pace) {
  const auto source = std::dynamic_pointer_cast<const PackedContent>(contents_.open(id));
  // What is staged is a plain file yet.
  if (!source || source->size() < file_bytes_min) return Filled::not_worth_it;
  const std::uint64_t size = source->size();
  {
    auto state = state_.lock();
    if (!make_room(*state, size)) return Filled::no_room;
    state->reserved += size;
  }
  try {
    Entry entry{size, {}, now_ns(), std::nullopt};
    entry.trusted = write_out(id, *source, pace, entry.hash);
    auto state = state_.lock();
    state->reserved -= size;
    state->bytes += size;
    state->entries[id] = entry;
    return Filled::made;
  } catch (...) {
    state_.lock()->reserved -= size;
    ::unlink((file_of(id).native() + ".new").c_str());
    ::unlink(file_of(id).c_str());
    ::unlink(sum_of(id).c_str());
    throw;
  }
}

// Fills `piece` from its front and writes it out whenever it is full.
class DecodedFiles::Writer {
 public:
  explicit Writer(const Fd& file) : file_(file), piece_(piece_bytes) {}

  void add(Bytes bytes) {
    while (!bytes.empty()) {
      const auto length = std::min(bytes.size(), piece_.size() - filled_);
      std::memcpy(piece_.data() + filled_, bytes.data(), length);
      filled_ += length;
      bytes = bytes.subspan(length);
      if (filled_ == piece_.size()) write_out();
    }
  }
  Hash128 finish() {
    write_out();
    return hasher_.finish();
  }

 private:
  void write_out() {
    const Bytes bytes = Bytes(piece_).first(filled_);
    hasher_.add(bytes);
    write_fully(file_, written_, bytes);
    written_ += filled_;
    filled_ = 0;
  }

  const Fd& file_;
  Buffer piece_;
  std::size_t filled_ = 0;
  std::uint64_t written_ = 0;
  Xxh3 hasher_;
};

DecodedFiles::Stamp DecodedFiles::write_out(const ContentId& id, const PackedContent& source,
                                            Pace pace, Hash128& hash) {
  const stdfs::path unfinished = file_of(id).native() + ".new";
  const Fd file = open_file(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  Writer writer(file);
  const auto& blocks = source.map().blocks();
  constexpr std::size_t together = piece_bytes / block_size_max;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (stopping()) fail(Errc::busy, "the mount is ending");
    if (pace == Pace::at_once && i % together == 0) {
      source.load_together(i, std::min(i + together, blocks.size()));
    }
    // In the background beside the readers: none of them waits for a thread of low priority.
    const Block block = pace == Pace::background ? source.blocks().load_apart(blocks[i])
                                                 : source.blocks().load(blocks[i]);
    writer.add(*block);
  }
  hash = writer.finish();
  // The sum first: a file that has its name has its sum.
  write_file(sum_of(id), as_bytes(cat(source.size(), ' ', hex(hash.bytes), '\n')));
  publish(file, unfinished, file_of(id));
  return stamp_of(file);
}

DecodedFiles::Totals DecodedFiles::totals() {
  auto state = state_.lock();
  return {state->entries.size(), state->bytes, bytes_max_};
}

void DecodedFiles::wait_idle() {
  auto state = state_.lock();
  state.wait(changed_, [&] { return state->stopping || state->busy.empty(); });
}

void DecodedFiles::work() {
  lower_priority(Priority::idle);
  for (;;) {
    std::optional<ContentId> id;
    {
      auto state = state_.lock();
      const auto ready = [&] { return state->stopping || !state->wanted.empty(); };
      if (state->entries.empty()) {
        state.wait(changed_, ready);
      } else {
        state.wait_for(changed_, look_interval, ready);
      }
      if (state->stopping) return;
      if (!state->wanted.empty()) {
        id = state->wanted.front();
        state->wanted.pop_front();
      }
    }
    if (!id) {
      give_back();
      continue;
    }
    try {
      fill(*id, Pace::background);
    } catch (const Error& error) {
      if (error.code() != Errc::busy) log(Level::warning, cat("decoding a file: ", error.what()));
    } catch (const std::exception& error) {
      log(Level::warning, cat("decoding a file: ", error.what()));
    }
    done(*id);
  }
}

}  // namespace wfs
