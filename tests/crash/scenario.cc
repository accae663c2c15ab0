#include "tests/crash/scenario.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <random>

#include "base/error.h"
#include "index/commit_rows.h"
#include "index/rebase.h"
#include "index/rebuild.h"
#include "index/refs.h"

namespace wfs {
namespace {

const Caller caller{::getuid(), ::getgid(), ::getpid(), 022};
constexpr std::size_t model_bytes = 1'500'000;

std::string bytes_of(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0x3f);
  return bytes;
}

// Version `version` of bytes that change a little each time, so that each is stored as a delta.
std::string version_of_weights(unsigned version) {
  std::string bytes = bytes_of(9, 300'000);
  for (std::size_t at = 0; at < bytes.size(); at += 1000) {
    bytes[at] = static_cast<char>(bytes[at] + static_cast<char>(version));
  }
  return bytes;
}

std::optional<CommitId> commit(Opened& opened, const std::string& branch = "main") {
  const auto committed = opened.capture().commit_now(branch, "", "crash");
  if (!committed) fail(Errc::invalid, "no commit was made");
  return committed->id;
}

void pack(Opened& opened) {
  if (!opened.capture().wait_idle(20)) fail(Errc::busy, "packing does not end");
}

// Writes into the middle of a committed file, and says it is durable.
void patch(Opened& opened, const std::string& name, std::uint64_t offset,
           const std::string& bytes) {
  FileSystem& files = opened.files();
  const auto found = files.lookup(opened.folder("main"), name);
  if (!found) fail(Errc::not_found, name);
  Handle* handle = files.open(found->attributes.ino, {.reads = true, .writes = true}, caller);
  try {
    files.write(*handle, offset, as_bytes(bytes));
    files.sync(*handle);
    files.flush(*handle);
  } catch (...) {
    files.release(handle);
    throw;
  }
  files.release(handle);
}

// The content of a file that is packed.
ContentId content_of(Opened& opened, const std::string& name) {
  return opened.repository().catalog().read([&](Database& database) {
    const Tree tree = load_tree(database, newest_commit(database)->commit.tree);
    const auto at = std::find_if(tree.entries.begin(), tree.entries.end(),
                                 [&](const TreeEntry& entry) { return entry.name == name; });
    if (at == tree.entries.end()) fail(Errc::not_found, name);
    return at->content;
  });
}

// Encodes the blocks of a file anew that are deltas against deltas.
void shorten_chains(Opened& opened, const std::string& name) {
  Pool pool(2);
  const std::atomic<bool> stop = false;
  rebase(opened.repository(), pool, content_of(opened, name), stop);
}

void share(Opened& opened, const std::string& from, const std::string& to) {
  FileSystem& files = opened.files();
  opened.write(to, "");
  const Ino folder = opened.folder("main");
  Handle* source = files.open(files.lookup(folder, from)->attributes.ino, OpenMode{}, caller);
  Handle* target =
      files.open(files.lookup(folder, to)->attributes.ino, {.reads = true, .writes = true}, caller);
  files.copy(*source, {0, UINT64_MAX}, *target, 0);
  files.flush(*target);
  files.release(target);
  files.release(source);
}

// A step that was done but for its last words is not done twice.
void once(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    if (error.code() != Errc::exists && error.code() != Errc::not_found) throw;
  }
}

struct Step {
  std::function<std::optional<CommitId>(Opened&)> run;
  std::function<void(Files&)> after;
};

using None = std::optional<CommitId>;

Step writing(const std::string& name, std::uint64_t seed, std::size_t size) {
  return {[=](Opened& opened) {
            opened.write(name, bytes_of(seed, size));
            return None();
          },
          [=](Files& files) { files[name] = bytes_of(seed, size); }};
}

Step changing_nothing(std::function<std::optional<CommitId>(Opened&)> run) {
  return {std::move(run), [](Files&) {}};
}

Step renaming(const std::string& from, const std::string& to) {
  return {[=](Opened& opened) {
            once([&] {
              const Ino folder = opened.folder("main");
              opened.files().rename(folder, from, folder, to, Existing::replace);
            });
            opened.files().sync_folder(opened.folder("main"));
            return None();
          },
          [=](Files& files) {
            files[to] = files[from];
            files.erase(from);
          }};
}

Step unlinking(const std::string& name) {
  return {[=](Opened& opened) {
            once([&] { opened.files().unlink(opened.folder("main"), name); });
            opened.files().sync_folder(opened.folder("main"));
            return None();
          },
          [=](Files& files) { files.erase(name); }};
}

void add_deltas(std::vector<Step>& steps) {
  constexpr unsigned versions = 4;  // the last is the first that is a delta against a delta
  for (unsigned version = 0; version < versions; ++version) {
    steps.push_back({[=](Opened& opened) {
                       opened.write("weights.bin", version_of_weights(version));
                       return None();
                     },
                     [=](Files& files) { files["weights.bin"] = version_of_weights(version); }});
    steps.push_back(changing_nothing([](Opened& opened) { return commit(opened); }));
    steps.push_back(changing_nothing([](Opened& opened) {
      pack(opened);
      return None();
    }));
  }
  steps.push_back(changing_nothing([](Opened& opened) {
    shorten_chains(opened, "weights.bin");
    return None();
  }));
}

std::vector<Step> make_steps() {
  const auto commits = [](Opened& opened) { return commit(opened); };
  const auto packs = [](Opened& opened) {
    pack(opened);
    return None();
  };
  std::vector<Step> all = {
      writing("a.txt", 1, 700),
      writing("model.bin", 2, model_bytes),
      changing_nothing(commits),
      changing_nothing(packs),
      writing("model.bin", 3, model_bytes),
      writing("model.bin", 4, model_bytes),  // the one before is protected by a commit
      changing_nothing(commits),
      changing_nothing([](Opened& opened) {
        const auto tip = opened.repository().catalog().read(
            [](Database& database) { return newest_commit(database); });
        once([&] { create_tag(opened.repository(), "v1", tip->id); });
        once([&] { opened.capture().create_branch("side", tip->id); });
        return None();
      }),
      changing_nothing(packs),
      {[](Opened& opened) {
         patch(opened, "model.bin", 700'000, "patched");
         return None();
       },
       [](Files& files) { files["model.bin"].replace(700'000, 7, "patched"); }},
      {[](Opened& opened) {
         share(opened, "model.bin", "copy.bin");
         return None();
       },
       [](Files& files) { files["copy.bin"] = files["model.bin"]; }},
      {[](Opened& opened) {
         opened.write("again.bin", bytes_of(3, model_bytes));
         return None();
       },
       [](Files& files) { files["again.bin"] = bytes_of(3, model_bytes); }},
      changing_nothing(commits),
      {[](Opened& opened) {
         patch(opened, "copy.bin", 5, "more");
         return None();
       },
       [](Files& files) { files["copy.bin"].replace(5, 4, "more"); }},
      unlinking("again.bin"),
      changing_nothing(commits),
      writing(".tmp-new", 5, model_bytes),
      renaming(".tmp-new", "model.bin"),
      changing_nothing(commits),
      changing_nothing(packs),
  };
  add_deltas(all);
  return all;
}

const std::vector<Step>& steps() {
  static const std::vector<Step> all = make_steps();
  return all;
}

}  // namespace

Opened::Opened(const stdfs::path& path) {
  repository_ = std::make_unique<Repository>(path, Repository::Access::write);
  Settings settings = repository_->settings();
  settings.settle_seconds = 3600;
  capture_ = std::make_unique<Capture>(*repository_, settings);
  files_ = std::make_unique<FileSystem>(*repository_, *capture_, Owner{::getuid(), ::getgid()});
}

Opened::~Opened() {
  if (capture_) capture_->stop();
  files_.reset();
  capture_.reset();
}

Ino Opened::folder(const std::string& view) {
  const auto found = files_->lookup(FileSystem::root_ino, view);
  if (!found) fail(Errc::not_found, view);
  return found->attributes.ino;
}

void Opened::write(const std::string& name, const std::string& bytes) {
  constexpr OpenMode mode{.reads = false, .writes = true, .truncates = true};
  const Ino in = folder("main");
  const auto found = files_->lookup(in, name);
  Handle* handle = found ? files_->open(found->attributes.ino, mode, caller)
                         : files_->create(in, name, 0644, mode, caller).handle;
  try {
    files_->write(*handle, 0, as_bytes(bytes));
    files_->flush(*handle);
  } catch (...) {
    files_->release(handle);
    throw;
  }
  files_->release(handle);
}

Files Opened::read(const std::string& view) {
  Files read;
  const Ino in = folder(view);
  FolderHandle* listing = files_->open_folder(in);
  const Listing names = files_->list(*listing, 0).listing;
  files_->release_folder(listing);
  for (const FolderEntry& entry : *names) {
    if (!S_ISREG(entry.type)) continue;
    const auto found = files_->lookup(in, entry.name);
    if (!found) fail(Errc::not_found, entry.name);
    Handle* handle = files_->open(found->attributes.ino, OpenMode{}, caller);
    std::string& bytes = read[entry.name];
    bytes.resize(found->attributes.size);
    const std::size_t got =
        files_->read(*handle, 0, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
    bytes.resize(got);
    files_->release(handle);
  }
  return read;
}

std::size_t Scenario::count() {
  return steps().size() + 2;
}

Files Scenario::files_after(std::size_t index) {
  Files files;
  for (std::size_t i = 0; i <= index && i < steps().size(); ++i) steps()[i].after(files);
  if (index > steps().size()) files["last.txt"] = "last";
  return files;
}

Opened& Scenario::opened() {
  if (!opened_) opened_ = std::make_unique<Opened>(path_);
  return *opened_;
}

std::optional<CommitId> Scenario::run(std::size_t index) {
  if (index < steps().size()) return steps()[index].run(opened());
  if (index == steps().size()) {
    stop();
    rebuild(path_, nullptr);
    return std::nullopt;
  }
  opened().write("last.txt", "last");
  return commit(opened());
}

}  // namespace wfs
