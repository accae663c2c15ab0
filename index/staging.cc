#include "index/staging.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <set>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"

namespace wfs {

StagedFile::StagedFile(Staging& staging, StagedId id, std::shared_ptr<const Fd> local)
    : staging_(staging), id_(id), local_(std::move(local)) {}

StagedFile::~StagedFile() {
  if (staging_.closing_) return;
  auto state = staging_.state_.lock();
  // Taken up again meanwhile, from its row: then it is in use.
  const auto at = state->files.find(static_cast<std::int64_t>(id_));
  if (at == state->files.end() || !at->second.expired()) return;
  state->files.erase(at);
  state->dropped.push_back(id_);
}

std::uint64_t StagedFile::size() const {
  const std::shared_lock lock(mutex_);
  return size_;
}

namespace {

// Part of a read: where it lies in the file and whether the base or the local file holds it.
struct Piece {
  Range range;
  bool from_base = false;
};

}  // namespace

void StagedFile::read(std::uint64_t offset, MutableBytes to) const {
  std::vector<Piece> pieces;
  std::shared_ptr<const Fd> local;
  std::shared_ptr<const ByteSource> base;
  {
    const std::shared_lock lock(mutex_);
    if (offset > size_ || to.size() > size_ - offset) {
      fail(Errc::corrupt, cat("staged file ", static_cast<std::int64_t>(id_), " has no ",
                              to.size(), " bytes at ", offset));
    }
    local = local_;
    base = base_.bytes;
    std::uint64_t at = offset;
    const std::uint64_t end = offset + to.size();
    auto written = written_.upper_bound(at);
    if (written != written_.begin() && std::prev(written)->second > at) --written;
    while (at < end) {
      std::uint64_t stop = end;
      bool from_base = at < base_.length;
      if (from_base) {
        stop = std::min(stop, base_.length);
        if (written != written_.end() && written->first <= at) {
          from_base = false;
          stop = std::min(stop, written->second);
          ++written;
        } else if (written != written_.end()) {
          stop = std::min(stop, written->first);
        }
      }
      pieces.push_back({{at, stop - at}, from_base});
      at = stop;
    }
  }
  for (const Piece& piece : pieces) {
    const MutableBytes part =
        to.subspan(piece.range.offset - offset, static_cast<std::size_t>(piece.range.length));
    if (piece.from_base) {
      base->read(piece.range.offset, part);
    } else {
      const std::size_t got = local ? read_some(*local, piece.range.offset, part) : 0;
      std::fill(part.begin() + static_cast<std::ptrdiff_t>(got), part.end(), std::byte{0});
    }
  }
}

void StagedFile::mark_written(Range range) {
  std::uint64_t from = range.offset;
  std::uint64_t end = std::min(range.end(), base_.length);
  if (from >= end) return;
  auto at = written_.upper_bound(from);
  if (at != written_.begin() && std::prev(at)->second >= from) {
    --at;
    from = at->first;
  }
  while (at != written_.end() && at->first <= end) {
    end = std::max(end, at->second);
    at = written_.erase(at);
  }
  written_.emplace(from, end);
}

void StagedFile::write(std::uint64_t offset, Bytes bytes) {
  expects(!frozen_, "a frozen staged file is never written");
  staging_.before_write(bytes.size());
  write_fully(*local_, offset, bytes);
  const std::unique_lock lock(mutex_);
  mark_written({offset, bytes.size()});
  size_ = std::max(size_, offset + bytes.size());
}

void StagedFile::resize(std::uint64_t size) {
  expects(!frozen_, "a frozen staged file is never resized");
  const std::unique_lock lock(mutex_);
  if (::ftruncate(local_->get(), static_cast<off_t>(size)) != 0) {
    fail_errno(errno, "cannot resize a staged file");
  }
  size_ = size;
  if (size >= base_.length) return;
  base_.length = size;
  written_.erase(written_.lower_bound(size), written_.end());
  if (!written_.empty()) {
    auto& end = std::prev(written_.end())->second;
    end = std::min(end, size);
  }
}

void StagedFile::punch(Range hole) {
  expects(!frozen_, "a frozen staged file is never punched");
  const std::unique_lock lock(mutex_);
  if (hole.empty() || hole.offset >= size_) return;
  hole.length = std::min(hole.length, size_ - hole.offset);
  if (::fallocate(local_->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(hole.offset), static_cast<off_t>(hole.length)) != 0) {
    fail_errno(errno, "cannot punch a hole into a staged file");
  }
  mark_written(hole);
}

void StagedFile::reserve(Range range) {
  staging_.before_write(range.length);
  if (::fallocate(local_->get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.offset),
                  static_cast<off_t>(range.length)) != 0) {
    fail_errno(errno, "cannot reserve space for a staged file");
  }
}

void StagedFile::sync() {
  std::shared_ptr<const Fd> local;
  std::shared_ptr<const StagedFile> base;
  {
    const std::shared_lock lock(mutex_);
    local = local_;
    base = base_.staged;
  }
  fault_point("staging.before_sync");
  if (local) {
    sync_file(*local);
    staging_.sync_name(name_number_);
  }
  // What shows through from a staged base is as much part of the file.
  if (base) const_cast<StagedFile&>(*base).sync();
}

void StagedFile::start_sync(Range range) const noexcept {
  std::shared_ptr<const Fd> local;
  {
    const std::shared_lock lock(mutex_);
    local = local_;
  }
  if (local) start_writing(*local, range);
}

std::uint64_t StagedFile::local_bytes() const {
  std::shared_ptr<const Fd> local;
  {
    const std::shared_lock lock(mutex_);
    local = local_;
  }
  struct stat status;
  if (!local || ::fstat(local->get(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

std::uint64_t StagedFile::next_data(std::uint64_t from) const {
  const std::shared_lock lock(mutex_);
  if (from >= size_) return size_;
  if (base_.bytes || !local_) return from;
  const off_t at = ::lseek(local_->get(), static_cast<off_t>(from), SEEK_DATA);
  return at < 0 ? size_ : std::min(size_, static_cast<std::uint64_t>(at));
}

std::uint64_t StagedFile::next_hole(std::uint64_t from) const {
  const std::shared_lock lock(mutex_);
  if (from >= size_ || base_.bytes || !local_) return size_;
  const off_t at = ::lseek(local_->get(), static_cast<off_t>(from), SEEK_HOLE);
  return at < 0 ? size_ : std::min(size_, static_cast<std::uint64_t>(at));
}

void StagedFile::set_content(const ContentId& content, std::optional<Hash128> fast_hash) {
  expects(frozen_, "only a frozen staged file has a content");
  const std::unique_lock lock(mutex_);
  content_ = content;
  if (fast_hash) fast_hash_ = fast_hash;
}

std::optional<Hash128> StagedFile::fast_hash() const {
  const std::shared_lock lock(mutex_);
  return fast_hash_;
}

std::optional<ContentId> StagedFile::content() const {
  const std::shared_lock lock(mutex_);
  return content_;
}

void StagedFile::forward(std::shared_ptr<const ByteSource> packed) {
  expects(frozen_ && packed.get() != this, "a staged file is forwarded to other bytes");
  fault_point("staging.before_forward");
  const std::unique_lock lock(mutex_);
  expects(content_.has_value(), "a staged file is forwarded to its content");
  local_ = nullptr;
  base_ = {std::move(packed), content_, nullptr, size_};
  written_.clear();
  ::unlink(staging_.path_of(id_).c_str());
}

bool StagedFile::forwarded() const {
  const std::shared_lock lock(mutex_);
  return local_ == nullptr;
}

StagedRow StagedFile::row() const {
  const std::shared_lock lock(mutex_);
  StagedRow row{id_, size_, base_.content, StagedId::none, base_.length, {}};
  if (base_.staged) {
    row.base_staged = base_.staged->id();
    row.base_content = base_.staged->content();
  }
  for (const auto& [offset, end] : written_) row.written.push_back({offset, end - offset});
  return row;
}

std::optional<ContentId> StagedFile::unchanged_base() const {
  const std::shared_lock lock(mutex_);
  if (!written_.empty() || base_.length != size_) return std::nullopt;
  std::optional<ContentId> content = base_.content;
  if (base_.staged) content = base_.staged->content();
  if (!content || base_.bytes->size() != size_) return std::nullopt;
  return content;
}

unsigned StagedFile::depth() const {
  unsigned depth = 0;
  for (auto base = staged_base(); base && !base->forwarded(); base = base->staged_base()) ++depth;
  return depth;
}

bool StagedFile::is_over_base() const {
  const std::shared_lock lock(mutex_);
  return base_.bytes && base_.length > 0;
}

std::shared_ptr<const StagedFile> StagedFile::staged_base() const {
  const std::shared_lock lock(mutex_);
  return base_.staged;
}

Staging::Staging(stdfs::path folder, StagedId next)
    : folder_(std::move(folder)), next_(static_cast<std::int64_t>(next)) {}

Staging::~Staging() { close(); }

stdfs::path Staging::path_of(StagedId id) const {
  return folder_ / std::to_string(static_cast<std::int64_t>(id));
}

std::shared_ptr<StagedFile> Staging::adopt(StagedId id, Fd local) {
  auto descriptor = local ? std::make_shared<const Fd>(std::move(local)) : nullptr;
  std::shared_ptr<StagedFile> file(new StagedFile(*this, id, std::move(descriptor)));
  auto state = state_.lock();
  state->files[static_cast<std::int64_t>(id)] = file;
  std::erase(state->dropped, id);
  return file;
}

std::shared_ptr<StagedFile> Staging::create() {
  fault_point("staging.before_create");
  const auto id = static_cast<StagedId>(next_.fetch_add(1));
  auto file = adopt(id, open_file(path_of(id), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW));
  file->name_number_ = ++names_made_;
  return file;
}

std::shared_ptr<StagedFile> Staging::create_over(StagedBase base, std::uint64_t length) {
  auto file = create();
  if (::ftruncate(file->local_->get(), static_cast<off_t>(length)) != 0) {
    fail_errno(errno, "cannot resize a staged file");
  }
  file->size_ = length;
  file->base_ = {std::move(base.bytes), base.content, std::move(base.staged), length};
  return file;
}

namespace {

// Whether the base alone shows every byte of the file.
bool is_all_base(const StagedRow& row) {
  return row.written.empty() && row.base_length == row.size &&
         (row.base_content || row.base_staged != StagedId::none);
}

}  // namespace

std::shared_ptr<StagedFile> Staging::open(const StagedRow& row, StagedBase base) {
  if (auto held = find(row.id)) return held;
  Fd local;
  if (!is_all_base(row)) local = open_file(path_of(row.id), O_RDWR | O_NOFOLLOW);
  auto file = adopt(row.id, std::move(local));
  file->size_ = row.size;
  file->base_ = {std::move(base.bytes), row.base_content, std::move(base.staged), row.base_length};
  for (const Range& range : row.written) file->written_.emplace(range.offset, range.end());
  // Without a base the local file is the whole truth, also about writes after the row was saved.
  if (!file->base_.bytes && file->local_) file->size_ = size_of(*file->local_);
  file->frozen_ = true;
  return file;
}

std::shared_ptr<StagedFile> Staging::find(StagedId id) {
  auto state = state_.lock();
  const auto at = state->files.find(static_cast<std::int64_t>(id));
  return at == state->files.end() ? nullptr : at->second.lock();
}

void Staging::sync_name(std::int64_t number) {
  // One sync of the folder is for every name made before it.
  if (number <= names_synced_) return;
  const std::int64_t made = names_made_;
  sync_folder(folder_);
  std::int64_t before = names_synced_;
  while (before < made && !names_synced_.compare_exchange_weak(before, made)) {
  }
}

std::vector<StagedId> Staging::take_dropped() { return std::exchange(state_.lock()->dropped, {}); }

void Staging::give_back_dropped(const std::vector<StagedId>& ids) {
  auto state = state_.lock();
  state->dropped.insert(state->dropped.end(), ids.begin(), ids.end());
}

void Staging::remove(const std::vector<StagedId>& ids) noexcept {
  for (const StagedId id : ids) ::unlink(path_of(id).c_str());
}

void Staging::remove_orphans(const std::vector<StagedId>& kept) {
  std::set<std::string> names;
  for (const StagedId id : kept) names.insert(std::to_string(static_cast<std::int64_t>(id)));
  for (const auto& entry : stdfs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    const bool is_number = std::all_of(name.begin(), name.end(), [](char c) {
      return c >= '0' && c <= '9';
    });
    if (is_number && !names.contains(name)) ::unlink(entry.path().c_str());
  }
}

std::uint64_t Staging::local_bytes() {
  std::vector<std::shared_ptr<StagedFile>> files;
  {
    auto state = state_.lock();
    for (const auto& [id, file] : state->files) {
      if (auto held = file.lock()) files.push_back(std::move(held));
    }
  }
  std::uint64_t bytes = 0;
  for (const auto& file : files) bytes += file->local_bytes();
  return bytes;
}

void Staging::before_write(std::uint64_t bytes) {
  // The disk is asked once in a while, not at every small write.
  constexpr std::int64_t unchecked_max = 1 << 20;
  if (unchecked_bytes_.fetch_add(static_cast<std::int64_t>(bytes)) % unchecked_max +
          static_cast<std::int64_t>(bytes) <
      unchecked_max) {
    return;
  }
  if (has_room(bytes)) return;
  if (reclaim_ && !state_.lock()->dropped.empty()) {
    reclaim_();
    if (has_room(bytes)) return;
  }
  fail(Errc::no_space, cat("the disk of ", folder_.string(), " is full; free some space"));
}

bool Staging::has_room(std::uint64_t bytes) const {
  struct statvfs disk;
  if (::statvfs(folder_.c_str(), &disk) != 0) return true;
  // What is left for the index and for packing: without it nothing staged could ever be packed.
  const std::uint64_t total = disk.f_blocks * disk.f_frsize;
  const std::uint64_t reserve =
      std::clamp<std::uint64_t>(total / 50, std::uint64_t{8} << 20, std::uint64_t{256} << 20);
  return disk.f_bavail * disk.f_frsize >= reserve + bytes;
}

}  // namespace wfs
