// Freezing a working folder for a commit, and what comes of it.
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "fs/working.h"
#include "index/content_rows.h"

namespace wfs {
namespace {

constexpr std::uint64_t model_bytes_min = 1 << 20;
constexpr std::uint64_t hashed_ahead_min = 4 << 20;

}  // namespace

bool Working::has_model_name(std::string_view name) {
  for (const std::string_view end : {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".npy",
                                     ".npz", ".h5", ".hdf5", ".onnx", ".distcp"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

bool Working::is_model(const Node& file) {
  if (file.kind != Kind::file) return false;
  if (file.file.is_tensors || file.file.current.size >= model_bytes_min) return true;
  if (file.file.complete && file.file.complete->size >= model_bytes_min) return true;
  return file.model_names > 0;
}

bool Working::is_uncut_model(const Node& file) {
  return file.kind == Kind::file && file.file.complete && file.file.completed > 0 &&
         file.file.complete->size > 0 && is_model(file);
}

void Working::note_unhashed(Folders& all, const Node& file) {
  if (file.file.complete->size >= hashed_ahead_min) all.unhashed.push_back(file.id);
}

void Working::note_model(Folders& all, const Node& file) {
  for (const Name& name : file.names) node(all, name.parent).uncut_models = true;
}

bool Working::is_beside_uncut_model(Folders& all, const Node& file) const {
  for (const Name& name : file.names) {
    Node& parent = node(all, name.parent);
    if (!parent.uncut_models) continue;
    // Looked through once, and not again before a model comes: a folder is emptied file by file.
    parent.uncut_models = false;
    for (const auto& [text, entry] : parent.entries) {
      const Node& beside = node(all, entry);
      if (!is_uncut_model(beside)) continue;
      parent.uncut_models = true;
      if (is_history(all, parent, text, beside)) return true;
    }
  }
  return false;
}

std::optional<Committing> Working::protect(Folders& all, Node& file) {
  if (file.kind != Kind::file) return std::nullopt;
  // Closed by its only writer: it is complete, though the kernel's release is still on its way.
  if (file.file.flushed) complete(all, file);
  if (!rules_.protects) return std::nullopt;
  if (!file.file.complete || file.file.completed == 0 || !is_history(all, file)) {
    return std::nullopt;
  }
  // A configuration beside a model belongs to it: a checkpoint is taken apart file by file.
  if (!is_uncut_model(file) && !is_beside_uncut_model(all, file)) return std::nullopt;
  Cut cut = cut_now(all, "", "");
  Committing committing = rules_.submit(std::move(cut), all.cut_stamp);
  // The cut leaves out what is below a temporary folder: there is nothing to wait for.
  if (file.file.completed > 0) return std::nullopt;
  return committing;
}

void Working::await_protected(NodeId file) {
  for (;;) {
    std::optional<Committing> committing;
    {
      auto all = folders_.lock();
      const auto at = all->nodes.find(static_cast<std::uint64_t>(file));
      if (at != all->nodes.end()) committing = protect(*all, at->second);
    }
    if (!committing) return;
    // A cut that could not be committed is kept and tried again: it holds nobody up for longer.
    committing->wait();
  }
}

void Working::await_protected(NodeId folder_id, std::string_view name) {
  NodeId file = NodeId::none;
  {
    auto all = folders_.lock();
    const Node& in = folder(*all, folder_id);
    if (const auto entry = in.entries.find(name); entry != in.entries.end()) file = entry->second;
  }
  if (file != NodeId::none) await_protected(file);
}

Cut Working::cut_now(Folders& all, std::string message, std::string author) {
  refresh_ignored(all);
  Cut cut;
  cut.branch = branch_;
  cut.root = cut_folder(all, node(all, root_), "");
  cut.message = std::move(message);
  cut.author = std::move(author);
  cut.writer = all.writer;
  cut.time_ns = now_ns();
  all.cut_stamp = all.stamp;
  return cut;
}

CutFolder Working::cut_folder(Folders& all, const Node& of, const std::string& path) const {
  CutFolder cut;
  cut.node = of.id;
  for (const auto& [name, id] : of.entries) {
    Node& child = node(all, id);
    const std::string child_path = path.empty() ? name : path + "/" + name;
    if (is_temporary_name(name)) continue;
    if (!all.ignore.empty() && all.ignore.ignored(child_path, child.kind == Kind::folder)) continue;
    CutEntry entry;
    entry.name = name;
    entry.node = id;
    entry.mtime_ns = child.mtime_ns;
    for (const auto& [key, value] : child.xattrs) {
      if (key.starts_with("user.")) entry.xattrs.emplace(key, value);
    }
    switch (child.kind) {
      case Kind::folder:
        if (child.tree) {
          entry.value = *child.tree;
        } else {
          entry.value = std::make_unique<CutFolder>(cut_folder(all, child, child_path));
        }
        break;
      case Kind::symlink: entry.value = child.target; break;
      case Kind::file: {
        if (!child.file.complete) continue;
        const Version& complete = *child.file.complete;
        child.file.completed = 0;
        entry.executable = (child.mode & S_IXUSR) != 0;
        entry.size = complete.size;
        if (child.file.writers > 0) entry.mtime_ns = child.file.complete_mtime_ns;
        if (complete.staged) {
          entry.value = complete.staged;
        } else {
          entry.value = complete.content;
        }
        break;
      }
    }
    cut.entries.push_back(std::move(entry));
  }
  return cut;
}

void Working::cut(const std::string& message, const std::string& author,
                  const std::function<void(std::optional<Cut>, std::uint64_t)>& submit) {
  auto all = folders_.lock();
  const Node& root = node(*all, root_);
  if (root.tree || root.changed <= all->cut_stamp) {
    submit(std::nullopt, all->cut_stamp);
    return;
  }
  Cut cut = cut_now(*all, message, author);
  submit(std::move(cut), all->cut_stamp);
}

void Working::after_commit(const Committed& committed, std::uint64_t stamp) {
  auto all = folders_.lock();
  for (const auto& [id, tree] : committed.trees) {
    const auto at = all->nodes.find(static_cast<std::uint64_t>(id));
    if (at == all->nodes.end() || at->second.changed > stamp) continue;
    at->second.tree = tree;
    all->dirty.nodes.insert(id);
  }
}

std::vector<std::shared_ptr<StagedFile>> Working::take_unhashed() {
  std::vector<std::shared_ptr<StagedFile>> files;
  auto all = folders_.lock();
  for (const NodeId id : std::exchange(all->unhashed, {})) {
    const auto at = all->nodes.find(static_cast<std::uint64_t>(id));
    if (at == all->nodes.end()) continue;
    const Node& file = at->second;
    if (!file.file.complete || file.file.completed == 0 || !is_history(*all, file)) continue;
    const auto& staged = file.file.complete->staged;
    if (staged && staged == file.file.current.staged && !staged->is_over_base()) {
      files.push_back(staged);
    }
  }
  return files;
}

void Working::after_packed() {
  const auto is_packed = [this](const StagedFile& staged) {
    const auto content = staged.content();
    if (!content) return false;
    if (staged.forwarded()) return true;
    // Bytes that another staged file held first: what is kept of them is the packed content.
    return repository_.catalog().read([&](Database& database) {
      const auto row = find_content(database, *content);
      return row && row->staged == StagedId::none;
    });
  };
  std::vector<std::shared_ptr<StagedFile>> packed;
  std::vector<std::shared_ptr<StagedFile>> candidates;
  {
    auto all = folders_.lock();
    for (const auto& [id, of] : all->nodes) {
      if (of.file.current.staged) candidates.push_back(of.file.current.staged);
      if (of.file.complete && of.file.complete->staged) {
        candidates.push_back(of.file.complete->staged);
      }
    }
  }
  for (auto& candidate : candidates) {
    if (candidate->frozen() && is_packed(*candidate)) packed.push_back(std::move(candidate));
  }
  candidates.clear();
  if (packed.empty()) return;
  const std::set<std::shared_ptr<StagedFile>> replaced(packed.begin(), packed.end());
  auto all = folders_.lock();
  const auto replace = [&replaced](Version& version) {
    if (!version.staged || !replaced.contains(version.staged)) return false;
    version.content = *version.staged->content();
    version.staged = nullptr;
    return true;
  };
  for (auto& [id, of] : all->nodes) {
    bool changed = replace(of.file.current);
    if (changed) of.file.bytes = nullptr;
    if (of.file.complete && replace(*of.file.complete)) changed = true;
    if (changed) all->dirty.nodes.insert(of.id);
  }
}

}  // namespace wfs
