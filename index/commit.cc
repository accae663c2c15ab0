#include "index/commit.h"

#include <unistd.h>

#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/fault.h"
#include "base/hash.h"
#include "index/commit_rows.h"
#include "index/completeness.h"
#include "index/content_rows.h"
#include "index/staged_rows.h"
#include "index/tree_diff.h"

namespace wfs {
namespace {

// What a cut becomes: trees by id, and the staged files whose contents may be new.
struct Written {
  std::map<TreeId, Buffer> trees;
  std::vector<std::pair<NodeId, TreeId>> folders;
  std::unordered_map<ContentId, std::shared_ptr<StagedFile>> staged;
};

constexpr std::size_t small_text_max = 16 << 20;

// The bytes are on disk before a commit names them.
ContentId content_of(StagedFile& file) {
  if (const auto known = file.content()) return *known;
  if (const auto unchanged = file.unchanged_base()) {
    file.sync();
    file.set_content(*unchanged);
    return *unchanged;
  }
  const auto hashed = file.hash().finish(file);
  file.sync();
  file.set_content(hashed.content, hashed.fast_hash);
  return hashed.content;
}

TreeId write_folder(const CutFolder& folder, Written& written);

TreeEntry tree_entry_of(const CutEntry& cut, Written& written) {
  TreeEntry entry;
  entry.name = cut.name;
  entry.executable = cut.executable;
  entry.mtime_ns = cut.mtime_ns;
  entry.size = cut.size;
  entry.xattrs = cut.xattrs;
  if (const auto* tree = std::get_if<TreeId>(&cut.value)) {
    entry.kind = Kind::folder;
    entry.tree = *tree;
  } else if (const auto* folder = std::get_if<std::unique_ptr<CutFolder>>(&cut.value)) {
    entry.kind = Kind::folder;
    entry.tree = write_folder(**folder, written);
  } else if (const auto* staged = std::get_if<std::shared_ptr<StagedFile>>(&cut.value)) {
    entry.content = content_of(**staged);
    entry.size = (*staged)->size();
    written.staged.emplace(entry.content, *staged);
  } else if (const auto* content = std::get_if<ContentId>(&cut.value)) {
    entry.content = *content;
  } else {
    entry.kind = Kind::symlink;
    entry.target = std::get<std::string>(cut.value);
    entry.size = entry.target.size();
  }
  return entry;
}

TreeId write_folder(const CutFolder& folder, Written& written) {
  Tree tree;
  for (const CutEntry& entry : folder.entries) tree.entries.push_back(tree_entry_of(entry, written));
  std::sort(tree.entries.begin(), tree.entries.end(),
            [](const TreeEntry& a, const TreeEntry& b) { return a.name < b.name; });
  Buffer record = record_of(tree);
  const TreeId id = tree_id_of(record);
  written.trees.emplace(id, std::move(record));
  written.folders.emplace_back(folder.node, id);
  return id;
}

bool is_laid_over(const StagedFile& file, const StagedFile& base) {
  for (auto at = file.staged_base(); at; at = at->staged_base()) {
    if (at.get() == &base) return true;
  }
  return false;
}

// Puts the new contents into the index. What is stored already is not kept twice: those staged files are
// given back, to be forwarded once the transaction holds.
std::vector<std::shared_ptr<StagedFile>> insert_contents(Repository& repository, Database& database,
                                                         const Written& written) {
  std::vector<std::shared_ptr<StagedFile>> duplicates;
  for (const auto& [content, file] : written.staged) {
    const auto row = find_content(database, content);
    if (!row) {
      put_staged_chain(database, *file);
      insert_staged_content(database, content, file->size(), file->id());
    }
    if (!row || row->staged == file->id()) {
      // Inside the transaction, so that packing, which comes after it, can take it back.
      repository.contents().keep(content, file);
      continue;
    }
    // The bytes of the content may be gathered from this very file.
    const auto holder = repository.contents().staged(content);
    if (file->forwarded() || (holder && is_laid_over(*holder, *file))) continue;
    put_staged(database, {file->id(), file->size(), content, StagedId::none, file->size(), {}});
    duplicates.push_back(file);
  }
  return duplicates;
}

// Reads small files of the tree being committed: what is not in the index yet is in `written`.
std::optional<std::string> text_of(Repository& repository, const Written& written,
                                   const TreeEntry& entry) {
  if (entry.size > small_text_max) return std::nullopt;
  std::string text(entry.size, '\0');
  const MutableBytes bytes(reinterpret_cast<std::byte*>(text.data()), text.size());
  const auto staged = written.staged.find(entry.content);
  try {
    if (staged != written.staged.end()) {
      staged->second->read(0, bytes);
    } else {
      repository.contents().open(entry.content)->read(0, bytes);
    }
  } catch (const Error&) {
    return std::nullopt;  // a damaged text makes no commit fail
  }
  return text;
}

std::string metrics_in(const std::vector<TreeChange>& changes,
                       const std::function<std::optional<std::string>(const TreeEntry&)>& load_text) {
  const TreeEntry* newest = nullptr;
  for (const TreeChange& change : changes) {
    if (!change.after || change.after->kind != Kind::file) continue;
    if (change.path != "trainer_state.json" && !change.path.ends_with("/trainer_state.json")) {
      continue;
    }
    if (newest == nullptr || change.after->mtime_ns > newest->mtime_ns) newest = &*change.after;
  }
  if (newest == nullptr) return "";
  const auto text = load_text(*newest);
  return text ? metrics_of_trainer_state(*text) : "";
}

std::string default_author() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return "weightfs";
  const char* user = std::getenv("USER");
  return cat(user != nullptr ? user : "root", "@", host.data());
}

// The root of the newest complete commit from `row` on back, looked for only so far that the cost of a
// commit does not grow with history.
std::optional<Tree> last_complete(Database& database, std::optional<CommitRow> row) {
  constexpr int commits_max = 64;
  const auto oldest = oldest_complete_number(database);
  for (int n = 0; n < commits_max && oldest && row && row->number >= *oldest; ++n) {
    if (row->commit.complete) return load_tree(database, row->commit.tree);
    const auto& parents = row->commit.parents;
    row = parents.empty() ? std::nullopt : find_commit(database, parents.front());
  }
  return std::nullopt;
}

// Fills in what the cut leaves open: message, metrics, completeness. The trees are in the index already.
Commit describe(Repository& repository, Database& database, const Cut& cut, const Written& written,
                const TreeId& tree, const std::optional<CommitRow>& parent) {
  const auto load_text = [&](const TreeEntry& entry) { return text_of(repository, written, entry); };
  constexpr std::size_t changes_max = 10'000;
  const auto changes = tree_changes(
      database, parent ? std::optional(parent->commit.tree) : std::nullopt, tree, changes_max);
  Commit commit;
  if (parent) commit.parents.push_back(parent->id);
  commit.tree = tree;
  commit.branch = cut.branch;
  commit.author = cut.author.empty() ? default_author() : cut.author;
  commit.time_ns = cut.time_ns;
  commit.message = cut.message.empty() ? describe_changes(changes) : cut.message;
  commit.writer = cut.writer;
  commit.metrics = metrics_in(changes, load_text);
  const auto before = last_complete(database, parent);
  commit.complete = is_complete(
      load_tree(database, tree), before ? &*before : nullptr,
      [&](const TreeId& id) { return load_tree(database, id); }, load_text);
  return commit;
}

}  // namespace

std::optional<Committed> commit(Repository& repository, const Cut& cut) {
  Written written;
  const TreeId tree = write_folder(cut.root, written);
  fault_point("commit.before_transaction");
  std::vector<std::shared_ptr<StagedFile>> duplicates;
  auto committed = repository.catalog().write(
      Durability::now, [&](Database& database) -> std::optional<Committed> {
        auto ref = find_ref(database, cut.branch);
        if (!ref || ref->kind != RefKind::branch) {
          fail(Errc::not_found, cat("there is no branch ", cut.branch));
        }
        const auto parent = ref->tip ? find_commit(database, *ref->tip) : std::nullopt;
        for (const auto& [id, record] : written.trees) insert_tree(database, id, record);
        if (!parent && cut.root.entries.empty()) return std::nullopt;
        // Also when nothing differs: the cut may have been committed by an attempt that failed after that.
        duplicates = insert_contents(repository, database, written);
        if (parent && parent->commit.tree == tree) {
          return Committed{parent->id, false, std::move(written.folders)};
        }
        const Commit commit = describe(repository, database, cut, written, tree, parent);
        const CommitId id = commit_id_of(record_of(commit));
        insert_commit(database, id, commit);
        ref->tip = id;
        put_ref(database, *ref, cut.time_ns, "commit");
        fault_point("commit.before_commit");
        return Committed{id, true, std::move(written.folders)};
      });
  fault_point("commit.after_transaction");
  if (!committed) return committed;
  for (const auto& file : duplicates) {
    // Packing that is between its transaction and forwarding this very file will do it.
    auto bytes = repository.contents().open(*file->content());
    if (bytes != file) file->forward(std::move(bytes));
  }
  return committed;
}

}  // namespace wfs
