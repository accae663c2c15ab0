#include <unistd.h>
#include <nlohmann/json.hpp>

#include "index/commit_rows.h"
#include "index/report.h"
#include "index/revision.h"
#include "mountctl/arguments.h"
#include "mountctl/output.h"
#include "mountctl/tensors.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

void print_files(const std::vector<ListedFile>& files) {
  for (const auto& [path, entry] : files) {
    const bool is_link = entry.kind == Kind::symlink;
    const std::string size = is_link ? "link" : size_text(entry.size);
    print(cat(std::string(size.size() < 10 ? 10 - size.size() : 0, ' '), size, "  ",
              printable(path), is_link ? cat(" -> ", printable(entry.target)) : std::string(),
              entry.executable ? " *" : ""));
  }
}

void show_commit(Repository& repository, const CommitId& id, const Common& common) {
  const CommitRow row =
      repository.catalog().read([&](Database& database) { return load_commit(database, id); });
  if (common.json) return print(commit_json(repository, row));
  const Commit& commit = row.commit;
  print(cat("commit   ", hex(row.id)));
  for (const CommitId& parent : commit.parents) print(cat("parent   ", hex(parent)));
  print(cat("branch   ", commit.branch));
  print(cat("author   ", printable(commit.author)));
  print(cat("time     ", local_time_text(commit.time_ns)));
  if (!commit.writer.empty()) print(cat("writer   ", printable(commit.writer)));
  if (!commit.metrics.empty()) print(cat("metrics  ", printable(commit.metrics)));
  print(cat("model    ", commit.complete ? "complete" : "incomplete"));
  print(cat("\n    ", printable(commit.message), "\n"));
  print_files(files_of(repository, commit.tree));
}

void show_folder(Repository& repository, const TreeId& tree, const Common& common) {
  const auto files = files_of(repository, tree);
  if (!common.json) return print_files(files);
  Json json = Json::array();
  for (const auto& [path, entry] : files) {
    if (entry.kind == Kind::symlink) {
      json.push_back({{"path", path}, {"target", entry.target}});
    } else {
      json.push_back({{"path", path}, {"size", entry.size}, {"sha256", hex(entry.content)}});
    }
  }
  print(Json{{"files", std::move(json)}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void print_bytes(Repository& repository, const ContentId& id) {
  const auto content = repository.contents().open(id);
  Buffer piece(1 << 20);
  for (std::uint64_t at = 0; at < content->size();) {
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), content->size() - at));
    content->read(at, MutableBytes(piece).first(length));
    if (at == 0 && ::isatty(STDOUT_FILENO) == 1 &&
        std::find(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(length),
                  std::byte{0}) != piece.begin() + static_cast<std::ptrdiff_t>(length)) {
      fail(Errc::invalid, "the file is no text; send it to a file or a program with > or |");
    }
    print_raw(Bytes(piece).first(length));
    at += length;
  }
}

void show_file(Repository& repository, const TreeEntry& entry, const Common& common) {
  const ContentReport report = explain(repository, entry.content);
  const bool has_tensors =
      std::any_of(report.segments.begin(), report.segments.end(),
                  [](const SegmentReport& segment) { return !segment.dtype.empty(); });
  if (common.json) return print(explain_json(report));
  if (has_tensors) return print_content(report, Columns::tensors);
  print_bytes(repository, entry.content);
}

Exit run_show(const std::string& text, const Common& common) {
  Repository repository(find_repository(common), Repository::Access::read);
  const auto [revision, path] = revision_path_of(text);
  const CommitId id = resolve(repository, revision);
  if (!path) {
    show_commit(repository, id, common);
    return Exit::ok;
  }
  const auto entry = find_path(repository, id, *path);
  if (!entry) {
    fail(Errc::not_found, cat("there is no ", *path, " in ", revision, "; `mountctl show ",
                              revision, "` lists the files"));
  }
  switch (entry->kind) {
    case Kind::folder:
      show_folder(repository, entry->tree, common);
      break;
    case Kind::file:
      show_file(repository, *entry, common);
      break;
    case Kind::symlink:
      print(common.json ? Json{{"target", entry->target}}.dump(-1, ' ', false,
                                                               Json::error_handler_t::replace)
                        : printable(entry->target));
      break;
  }
  return Exit::ok;
}

}  // namespace

Run add_show(CLI::App& app, const Common& common) {
  auto text = std::make_shared<std::string>();
  app.add_option("REV", *text, "A revision, or REV:PATH")->required()->type_name("REV[:PATH]");
  return [text, &common] { return run_show(*text, common); };
}

}  // namespace wfs
