#include "tests/model/sequence.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "index/check.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

constexpr std::size_t model_bytes = 1 << 20;
bool is_model(const RefNode& file) {
  return file.complete && file.complete_size >= model_bytes;
}

}  // namespace

Sequence::~Sequence() {
  files_.reset();
  capture_.reset();
  repository_.reset();
}

void Sequence::start() {
  repository_ =
      std::make_unique<Repository>(folder_.path() / "repository", Repository::Access::write);
  Settings settings = repository_->settings();
  settings.settle_seconds = 3600;
  capture_ = std::make_unique<Capture>(*repository_, settings);
  files_ = std::make_unique<FileSystem>(*repository_, *capture_, Owner{::getuid(), ::getgid()});
}

void Sequence::stop() {
  close_all();
  capture_->stop();
  files_.reset();
  capture_.reset();
  repository_.reset();
}

void Sequence::run() {
  Repository::create(folder_.path() / "repository");
  start();
  moments_.insert(reference_.state());
  const std::size_t steps = 60 + below(120);
  for (std::size_t i = 0; i < steps; ++i) {
    step();
    moments_.insert(reference_.state());
  }
  close_all();
  commit();
  check_end();
}

void Sequence::step() {
  struct Choice {
    unsigned weight;
    void (Sequence::*operation)();
  };
  static constexpr std::array<Choice, 23> choices{{
      {12, &Sequence::create},      {8, &Sequence::open},        {10, &Sequence::close},
      {16, &Sequence::write},       {6, &Sequence::truncate},    {4, &Sequence::allocate},
      {8, &Sequence::read},         {5, &Sequence::copy},        {3, &Sequence::copy_from_commit},
      {3, &Sequence::sync},         {5, &Sequence::make_folder}, {2, &Sequence::make_symlink},
      {4, &Sequence::link},         {6, &Sequence::unlink},      {2, &Sequence::remove_folder},
      {12, &Sequence::rename},      {3, &Sequence::change_mode}, {3, &Sequence::change_time},
      {3, &Sequence::change_xattr}, {2, &Sequence::ignore},      {5, &Sequence::commit},
      {2, &Sequence::wait_idle},    {2, &Sequence::reopen},
  }};
  unsigned total = 0;
  for (const Choice& choice : choices) total += choice.weight;
  auto at = static_cast<unsigned>(below(total));
  for (const Choice& choice : choices) {
    if (at < choice.weight) return (this->*choice.operation)();
    at -= choice.weight;
  }
}

void Sequence::require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

std::string Sequence::random_bytes(std::size_t length) {
  std::string bytes(length, '\0');
  const bool plain = one_in(3);
  const std::uint64_t mask = plain ? 0 : one_in(2) ? 0x00ff00ff03030303 : ~std::uint64_t{0};
  for (std::size_t i = 0; i < length; i += 8) {
    const std::uint64_t word = random_() & mask;
    for (std::size_t j = i; j < std::min(length, i + 8); ++j) {
      bytes[j] = static_cast<char>(word >> ((j - i) * 8));
    }
  }
  if (plain && length > 0) bytes[below(length)] = 'p';
  return bytes;
}

Sequence::Place Sequence::any_place() {
  static constexpr std::array names{"a",     "b",      "c.log", "m.safetensors",
                                    ".tmp1", "hidden", "d",     "e"};
  Place place{reference_.root(), "", names[below(names.size())]};
  for (int depth = 0; depth < 2 && one_in(2); ++depth) {
    std::vector<std::string> folders;
    for (const auto& [name, child] : place.folder->entries) {
      if (child->kind == Kind::folder) folders.push_back(name);
    }
    if (folders.empty()) break;
    const std::string& chosen = folders[below(folders.size())];
    place.folder_path += (place.folder_path.empty() ? "" : "/") + chosen;
    place.folder = place.folder->entries.at(chosen);
  }
  return place;
}

std::optional<Sequence::Place> Sequence::some_entry(std::optional<Kind> kind) {
  for (int attempts = 0; attempts < 6; ++attempts) {
    Place place = any_place();
    std::vector<std::string> names;
    for (const auto& [name, child] : place.folder->entries) {
      if (name != ".weightfsignore" && (!kind || child->kind == *kind)) names.push_back(name);
    }
    if (names.empty()) continue;
    place.name = names[below(names.size())];
    return place;
  }
  return std::nullopt;
}

Ino Sequence::ino_of(const std::string& path) {
  std::string_view rest = path;
  const auto main = files_->lookup(FileSystem::root_ino, "main");
  require(main.has_value(), "the branch is gone");
  Ino at = main->attributes.ino;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const auto found = files_->lookup(at, rest.substr(0, slash));
    require(found.has_value(), cat(path, " is not found"));
    at = found->attributes.ino;
    files_->forget(at, 1);
    rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
  }
  return at;
}

Sequence::Opened* Sequence::some_handle(bool writes) {
  std::vector<Opened*> fit;
  for (Opened& opened : opened_) {
    if (!writes || opened.mode.writes) fit.push_back(&opened);
  }
  return fit.empty() ? nullptr : fit[below(fit.size())];
}

bool Sequence::attempt(const std::string& what, std::optional<Errc> expected,
                       const std::function<void()>& action) {
  note(what);
  std::optional<Errc> met;
  std::string message = "it succeeded";
  try {
    action();
  } catch (const Error& error) {
    met = error.code();
    message = error.what();
  }
  require(met == expected, cat(what, ": expected ", expected ? static_cast<int>(*expected) : -1,
                               ", met ", met ? static_cast<int>(*met) : -1, ": ", message));
  return !met;
}

void Sequence::destroys(const RefNode& file) {
  if (is_model(file) && reference_.is_history(file)) must_be_kept_.insert(*file.complete);
}

void Sequence::overwrites(RefNode& file) {
  if (!std::exchange(file.changes, true)) destroys(file);
}

void Sequence::put(RefNode& file, std::size_t offset, std::string_view bytes) {
  overwrites(file);
  if (file.bytes.size() < offset + bytes.size()) file.bytes.resize(offset + bytes.size());
  file.bytes.replace(offset, bytes.size(), bytes);
}

std::string Sequence::read_all(Handle* handle, std::size_t size) {
  std::string bytes(size + 16, '\0');
  const auto got =
      files_->read(*handle, 0, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
  bytes.resize(got);
  return bytes;
}

void Sequence::compare(const RefNode& expected, Ino folder, const std::string& path) {
  FolderHandle* listing = files_->open_folder(folder);
  std::map<std::string, mode_t> names;
  for (const FolderEntry& entry : *files_->list(*listing, 0).listing)
    names.emplace(entry.name, entry.type);
  files_->release_folder(listing);
  require(names.size() == expected.entries.size() + 2,
          cat("names in /", path, ": ", names.size() - 2, ", not ", expected.entries.size()));
  for (const auto& [name, child] : expected.entries) {
    const std::string child_path = path + "/" + name;
    const auto found = files_->lookup(folder, name);
    require(found.has_value(), child_path + " is not found");
    const Attributes& attributes = found->attributes;
    const Ino ino = attributes.ino;
    require((attributes.mode & 07777) == child->mode, child_path + ": mode");
    require(files_->xattrs(ino).size() == child->xattrs.size(), child_path + ": xattrs");
    for (const auto& [key, value] : child->xattrs) {
      require(files_->xattr(ino, key) == value, child_path + ": xattr " + key);
    }
    if (child->kind == Kind::folder) compare(*child, ino, child_path);
    if (child->kind == Kind::symlink) {
      require(files_->target_of(ino) == child->target, child_path + ": target");
    }
    if (child->kind == Kind::file) {
      require(attributes.size == child->bytes.size(), cat(child_path, ": size ", attributes.size));
      require(attributes.links == child->links, cat(child_path, ": links ", attributes.links));
      Handle* handle = files_->open(ino, OpenMode{}, caller_);
      const bool same = read_all(handle, child->bytes.size()) == child->bytes;
      files_->release(handle);
      require(same, child_path + ": bytes");
    }
    files_->forget(ino, 1);
  }
}

void Sequence::read_state(Ino folder, const std::string& prefix, State& state,
                          std::map<std::string, std::int64_t>& times) {
  FolderHandle* listing = files_->open_folder(folder);
  const Listing names = files_->list(*listing, 0).listing;
  files_->release_folder(listing);
  for (const FolderEntry& entry : *names) {
    if (entry.name == "." || entry.name == "..") continue;
    const auto found = files_->lookup(folder, entry.name);
    require(found.has_value(),
            cat("a listed entry of a commit is not found: ", prefix, entry.name));
    const Attributes& attributes = found->attributes;
    Xattrs xattrs;
    for (const std::string& name : files_->xattrs(attributes.ino)) {
      if (!name.starts_with("user.weightfs.")) xattrs[name] = *files_->xattr(attributes.ino, name);
    }
    const std::string path = prefix + entry.name;
    if (S_ISDIR(attributes.mode)) {
      state.emplace(path, line_of(Kind::folder, false, "", xattrs));
      read_state(attributes.ino, path + "/", state, times);
    } else if (S_ISLNK(attributes.mode)) {
      state.emplace(path, line_of(Kind::symlink, false, files_->target_of(attributes.ino), xattrs));
      times[path] = attributes.mtime_ns;
    } else {
      Handle* handle = files_->open(attributes.ino, OpenMode{}, caller_);
      const std::string bytes = read_all(handle, attributes.size);
      files_->release(handle);
      state.emplace(
          path, line_of(Kind::file, (attributes.mode & 0100) != 0, name_of_bytes(bytes), xattrs));
      times[path] = attributes.mtime_ns;
    }
    files_->forget(attributes.ino, 1);
  }
}

State Sequence::state_of(const CommitId& id, std::map<std::string, std::int64_t>& times) {
  const auto view = files_->lookup(FileSystem::root_ino, "@" + hex(id.digest.bytes));
  require(view.has_value(), "a commit is not found");
  State state;
  Ino ino = view->attributes.ino;
  if (S_ISLNK(view->attributes.mode)) {
    const auto real = files_->lookup(FileSystem::root_ino, files_->target_of(ino));
    require(real.has_value(), "a commit is not found by its name");
    ino = real->attributes.ino;
  }
  read_state(ino, "", state, times);
  return state;
}

void Sequence::live_times(const RefNode& folder, const std::string& prefix,
                          std::map<std::string, std::int64_t>& times) {
  for (const auto& [name, child] : folder.entries) {
    const Ino at = ino_of(prefix + name);
    if (child->kind == Kind::folder) live_times(*child, prefix + name + "/", times);
    if (child->kind == Kind::folder || child->writers > 0) continue;
    times[prefix + name] = files_->attributes(at).attributes.mtime_ns;
  }
}

std::string Sequence::difference(const State& expected, const State& found) {
  std::string text;
  for (const auto& [path, line] : expected) {
    const auto at = found.find(path);
    if (at == found.end())
      text += cat("\n  missing ", path, " ", line);
    else if (at->second != line)
      text += cat("\n  ", path, " is ", at->second, ", not ", line);
  }
  for (const auto& [path, line] : found) {
    if (!expected.contains(path)) text += cat("\n  unexpected ", path, " ", line);
  }
  return text;
}

void Sequence::commit() {
  note("commit");
  std::map<std::string, std::int64_t> live, held;
  live_times(*reference_.root(), "", live);
  const State expected = reference_.state();
  const auto committed = capture_->commit_now("main", cat("step ", log_.size()), "model");
  if (!committed) {
    require(expected.empty(), cat("no commit was made; missing:", difference(expected, {})));
    return;
  }
  const State found = state_of(committed->id, held);
  require(found == expected, cat("the commit differs:", difference(expected, found)));
  for (const auto& [path, time] : held) {
    if (const auto at = live.find(path); at != live.end()) {
      require(at->second == time, cat("the commit has another time of ", path));
    }
  }
  moments_.insert(expected);
  commits_.push_back({committed->id, expected});
}

void Sequence::require_idle() {
  if (capture_->wait_idle(30)) return;
  const Capture::Status status = capture_->status();
  require(false, cat("packing does not end: ", status.pending_commits, " commits, ",
                     status.staged_contents, " contents pending: ", status.last_error));
}

void Sequence::check_end() {
  compare(*reference_.root(), ino_of(""), "");
  if (!commits_.empty()) capture_->create_branch("copy", commits_.back().id);
  note("pack");
  require_idle();
  stop();
  start();
  compare(*reference_.root(), ino_of(""), "");
  if (!commits_.empty()) {
    State state;
    std::map<std::string, std::int64_t> times;
    const auto branch = files_->lookup(FileSystem::root_ino, "copy");
    require(branch.has_value(), "a new branch is not found");
    read_state(branch->attributes.ino, "", state, times);
    require(state == commits_.back().state,
            cat("a new branch differs:", difference(commits_.back().state, state)));
  }
  const CheckReport report = check(*repository_, CheckDepth::data, nullptr);
  for (const Finding& finding : report.findings) {
    require(false, cat("check: ", finding.object, " ", finding.name, ": ", finding.what));
  }
  std::map<std::string, std::int64_t> times;
  std::map<CommitId, State> states;
  const auto rows = repository_->catalog().read(
      [](Database& database) { return recent_commits(database, 0, 10'000); });
  std::set<std::string> held;
  for (const CommitRow& row : rows) {
    const State& state = states[row.id] = state_of(row.id, times);
    if (!moments_.contains(state)) {
      std::string least = difference(*moments_.begin(), state);
      for (const State& moment : moments_) {
        if (auto text = difference(moment, state); text.size() < least.size()) least = text;
      }
      require(false, cat("commit \"", row.commit.message,
                         "\" is no state the branch ever had; nearest:", least));
    }
    for (const auto& [path, line] : state) {
      for (const BytesName& name : must_be_kept_) {
        if (line.find(name) != line.npos) held.insert(name);
      }
    }
  }
  for (const Recorded& commit : commits_) {
    require(states.contains(commit.id) && states[commit.id] == commit.state,
            cat("an earlier commit has changed:", difference(commit.state, states[commit.id])));
  }
  for (const BytesName& name : must_be_kept_) {
    require(held.contains(name), cat("a complete model was destroyed and is in no commit: ", name));
  }
}

}  // namespace wfs
