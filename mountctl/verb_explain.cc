#include <fcntl.h>
#include <sys/xattr.h>

#include <array>

#include "base/hash.h"
#include "index/content_rows.h"
#include "index/report.h"
#include "index/revision.h"
#include "mountctl/arguments.h"
#include "mountctl/output.h"
#include "mountctl/tensors.h"

namespace wfs {
namespace {

// What the mount says of a file in it.
std::optional<ContentId> told_content(const stdfs::path& file) {
  std::array<char, 80> text{};
  const auto length = ::getxattr(file.c_str(), "user.weightfs.sha256", text.data(), text.size());
  if (length <= 0) return std::nullopt;
  return id_of_hex<ContentId>(std::string_view(text.data(), static_cast<std::size_t>(length)));
}

ContentId hash_of(const stdfs::path& path) {
  const Fd file = open_file(path, O_RDONLY);
  Sha256 hasher;
  Buffer piece(1 << 20);
  for (std::uint64_t at = 0;;) {
    const std::size_t length = read_some(file, at, piece);
    if (length == 0) return ContentId{hasher.finish()};
    hasher.add(Bytes(piece).first(length));
    at += length;
  }
}

ContentId content_of_file(Repository& repository, const stdfs::path& file) {
  std::error_code error;
  if (!stdfs::is_regular_file(file, error)) {
    fail(Errc::invalid, cat(file.native(), " is not a file; name one"));
  }
  const auto told = told_content(file);
  const ContentId id = told ? *told : hash_of(file);
  const bool known = repository.catalog().read(
      [&](Database& database) { return find_content(database, id).has_value(); });
  if (known) return id;
  fail(Errc::not_found, cat(file.native(), " is in no commit of ", repository.path().native(),
                            "; commit it first with `mountctl commit` or `mountctl import`"));
}

ContentId content_at(Repository& repository, const std::string& text) {
  const auto [revision, path] = revision_path_of(text);
  if (!path) {
    fail(Errc::not_found, cat("there is no file ", text, "; name a file, or REV:PATH"));
  }
  const auto entry = find_path(repository, resolve(repository, revision), *path);
  if (!entry) {
    fail(Errc::not_found, cat("there is no ", *path, " in ", revision, "; `mountctl show ",
                              revision, "` lists the files"));
  }
  if (entry->kind != Kind::file) fail(Errc::invalid, cat(text, " is not a file; name one"));
  return entry->content;
}

Exit run_explain(const std::string& text, const Common& common) {
  std::error_code error;
  const bool is_file = stdfs::exists(text, error);
  Common where = common;
  if (is_file && where.repository.empty()) {
    // A file of a mount is explained by the repository that is mounted there.
    const stdfs::path folder = stdfs::absolute(text).parent_path();
    if (const auto around = repository_around(folder)) where.repository = around->native();
  }
  Repository repository(find_repository(where), Repository::Access::read);
  const ContentReport report = explain(
      repository, is_file ? content_of_file(repository, text) : content_at(repository, text));
  if (common.json) {
    print(explain_json(report));
  } else {
    print_content(report, Columns::storage);
  }
  return Exit::ok;
}

}  // namespace

Run add_explain(CLI::App& app, const Common& common) {
  auto text = std::make_shared<std::string>();
  app.add_option("FILE", *text, "A file, or REV:PATH")->required()->type_name("FILE|REV:PATH");
  return [text, &common] { return run_explain(*text, common); };
}

}  // namespace wfs
