// Operations on the bytes of files: each is done to the file system and to the reference.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "tests/model/sequence.h"

namespace wfs {

namespace {

std::string text_of(const OpenMode& mode) {
  return cat(mode.reads ? "r" : "", mode.writes ? "w" : "", mode.truncates ? "t" : "",
             mode.appends ? "a" : "");
}

}  // namespace

void Sequence::create() {
  const Place place = any_place();
  const bool exists = place.folder->entries.contains(place.name);
  const Ino folder = folder_of(place);
  Created created;
  const OpenMode mode{.reads = true, .writes = true, .truncates = false, .appends = one_in(6)};
  const auto expected = exists ? std::optional(Errc::exists) : std::nullopt;
  if (!attempt("create " + place.path(), expected,
               [&] { created = files_->create(folder, place.name, 0644, mode, caller_); })) {
    return;
  }
  files_->forget(created.entry.attributes.ino, 1);
  auto node = std::make_shared<RefNode>();
  node->links = 1;
  node->writers = 1;
  place.folder->entries.emplace(place.name, node);
  opened_.push_back({created.handle, node, mode});
  const std::size_t size = one_in(3) ? (1 << 20) + below(2 << 20) : below(5000);
  const std::string bytes = random_bytes(size);
  note(cat("  write ", size));
  files_->write(*created.handle, 0, as_bytes(bytes));
  put(*node, 0, bytes);
  if (one_in(2)) close(opened_.size() - 1);
}

void Sequence::open() {
  const auto place = some_entry(Kind::file);
  if (!place || opened_.size() > 8) return;
  const bool writes = !one_in(3);
  const OpenMode mode{.reads = true,
                      .writes = writes,
                      .truncates = writes && one_in(4),
                      .appends = writes && one_in(5)};
  const RefNodePtr node = place->folder->entries.at(place->name);
  const Ino ino = ino_of(place->path());
  Handle* handle = nullptr;
  attempt(cat("open ", place->path(), " ", text_of(mode), " as ", opened_.size()), std::nullopt,
          [&] { handle = files_->open(ino, mode, caller_); });
  if (mode.writes) ++node->writers;
  if (mode.truncates && !node->bytes.empty()) {
    overwrites(*node);
    node->bytes.clear();
  }
  opened_.push_back({handle, node, mode});
}

void Sequence::close(std::size_t index) {
  const Opened opened = opened_[index];
  note(cat("close ", index));
  if (opened.mode.writes) files_->flush(*opened.handle);
  files_->release(opened.handle);
  if (opened.mode.writes && --opened.node->writers == 0) opened.node->finish();
  opened_.erase(opened_.begin() + static_cast<std::ptrdiff_t>(index));
  moments_.insert(reference_.state());
}

void Sequence::close() {
  if (!opened_.empty()) close(below(opened_.size()));
}

void Sequence::close_all() {
  while (!opened_.empty()) close(opened_.size() - 1);
}

void Sequence::write() {
  Opened* opened = some_handle(true);
  if (opened == nullptr) return;
  RefNode& node = *opened->node;
  const std::string bytes = random_bytes(1 + below(one_in(5) ? 400'000 : 9000));
  std::size_t offset = below(node.bytes.size() + 1);
  if (one_in(8)) offset = node.bytes.size() + below(200'000);
  note(cat("write to ", opened - &opened_.front(), " at ", offset, " bytes ", bytes.size()));
  files_->write(*opened->handle, offset, as_bytes(bytes));
  put(node, opened->mode.appends ? node.bytes.size() : offset, bytes);
}

void Sequence::truncate() {
  const auto place = some_entry(Kind::file);
  if (!place) return;
  RefNode& node = *place->folder->entries.at(place->name);
  std::size_t size = below(node.bytes.size() + 1);
  if (one_in(3)) size = node.bytes.size() + below(100'000);
  if (one_in(4)) size = 0;
  AttributeChanges changes;
  changes.size = size;
  const Ino ino = ino_of(place->path());
  attempt(cat("truncate ", place->path(), " to ", size), std::nullopt,
          [&] { files_->change(ino, changes); });
  if (size == node.bytes.size()) return;
  overwrites(node);
  node.bytes.resize(size);
  if (node.writers == 0) node.finish();
}

void Sequence::allocate() {
  Opened* opened = some_handle(true);
  if (opened == nullptr) return;
  std::string& bytes = opened->node->bytes;
  static constexpr std::array modes{
      0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
      FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
  const int mode = modes[below(modes.size())];
  const Range range{below(bytes.size() + 1000), 1 + below(60'000)};
  note(cat("allocate ", mode, " of ", opened->handle->ino, " at ", range.offset, " length ",
           range.length));
  overwrites(*opened->node);
  files_->allocate(*opened->handle, mode, range);
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && range.end() > bytes.size()) bytes.resize(range.end());
  if (mode == 0 || mode == FALLOC_FL_KEEP_SIZE || range.offset >= bytes.size()) return;
  const std::size_t length = std::min<std::size_t>(range.length, bytes.size() - range.offset);
  bytes.replace(range.offset, length, std::string(length, '\0'));
}

void Sequence::read() {
  Opened* opened = some_handle(false);
  if (opened == nullptr) return;
  const std::string& bytes = opened->node->bytes;
  const std::size_t offset = below(bytes.size() + 10);
  std::string found(below(300'000), 'x');
  note(cat("read ", opened - &opened_.front(), " at ", offset, " bytes ", found.size()));
  found.resize(files_->read(*opened->handle, offset,
                            {reinterpret_cast<std::byte*>(found.data()), found.size()}));
  const std::string expected =
      offset < bytes.size() ? bytes.substr(offset, found.size()) : std::string();
  require(found == expected, "read: other bytes");
  require(offset + found.size() <= std::max(bytes.size(), offset), "read: too many bytes");
}

void Sequence::copy() {
  const auto place = some_entry(Kind::file);
  Opened* target = some_handle(true);
  if (!place || target == nullptr || target->mode.appends) return;
  const RefNodePtr source = place->folder->entries.at(place->name);
  if (source == target->node) return;
  const bool whole = one_in(2);
  const Range range{whole ? 0 : below(source->bytes.size() + 1),
                    whole ? source->bytes.size() + 7 : 1 + below(1 << 20)};
  const std::size_t offset = whole ? 0 : below(target->node->bytes.size() + 1);
  Handle* from = files_->open(ino_of(place->path()), OpenMode{}, caller_);
  note(cat("copy ", place->path(), " from ", range.offset, " length ", range.length, " to ",
           target - &opened_.front(), " at ", offset));
  const std::uint64_t copied = files_->copy(*from, range, *target->handle, offset);
  files_->release(from);
  const std::size_t length =
      range.offset < source->bytes.size()
          ? std::min<std::size_t>(range.length, source->bytes.size() - range.offset)
          : 0;
  require(copied == length, cat("copy: ", copied, " bytes, not ", length));
  if (length > 0) put(*target->node, offset, source->bytes.substr(range.offset, length));
}

void Sequence::copy_from_commit() {
  Opened* target = some_handle(true);
  if (commits_.empty() || target == nullptr || target->mode.appends) return;
  const Recorded& commit = commits_[below(commits_.size())];
  const auto view =
      files_->lookup(FileSystem::root_ino, "@" + hex(commit.id.digest.bytes).substr(0, 12));
  require(view.has_value(), "a commit is not found");
  std::vector<Ino> found;
  FolderHandle* listing = files_->open_folder(view->attributes.ino);
  for (const FolderEntry& entry : *files_->list(*listing, 0).listing) {
    if (S_ISREG(entry.type))
      found.push_back(files_->lookup(view->attributes.ino, entry.name)->attributes.ino);
  }
  files_->release_folder(listing);
  if (found.empty()) return;
  Handle* from = files_->open(found[below(found.size())], OpenMode{}, caller_);
  const std::string bytes = read_all(from, files_->attributes(from->ino).attributes.size);
  note(cat("copy ", bytes.size(), " bytes out of a commit to ", target - &opened_.front()));
  const std::uint64_t copied = files_->copy(*from, {0, bytes.size()}, *target->handle, 0);
  files_->release(from);
  require(copied == bytes.size(), "copy out of a commit: too short");
  if (!bytes.empty()) put(*target->node, 0, bytes);
}

void Sequence::sync() {
  Opened* opened = some_handle(false);
  if (opened == nullptr) return;
  note("sync");
  files_->sync(*opened->handle);
}

}  // namespace wfs
