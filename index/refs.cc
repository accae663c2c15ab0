#include "index/refs.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

std::string_view word_of(RefKind kind) {
  return kind == RefKind::branch ? "branch" : "tag";
}

void create_ref(Repository& repository, const Ref& ref) {
  if (!is_ref_name(ref.name)) {
    fail(Errc::invalid, cat("'", ref.name, "' cannot name a ", word_of(ref.kind),
                            ": use letters, digits, '.', '_' and '-', at most 100 of them, not "
                            "starting with '.' or '-', and not 'latest'"));
  }
  repository.catalog().write(Durability::now, [&](Database& database) {
    if (const auto taken = find_ref(database, ref.name)) {
      fail(Errc::exists, cat("there is a ", word_of(taken->kind), ' ', ref.name,
                             " already; choose another name, or delete it first with `mountctl ",
                             word_of(taken->kind), " --delete ", ref.name, "`"));
    }
    if (ref.tip) load_commit(database, *ref.tip);
    put_ref(database, ref, now_ns(), "create");
  });
}

void delete_ref_of(Repository& repository, const std::string& name, RefKind kind) {
  repository.catalog().write(Durability::now, [&](Database& database) {
    const auto refs = all_refs(database);
    const auto is_it = [&](const Ref& ref) { return ref.name == name && ref.kind == kind; };
    if (std::none_of(refs.begin(), refs.end(), is_it)) {
      fail(Errc::not_found,
           cat("there is no ", word_of(kind), " '", name, "'; see `mountctl ", word_of(kind), "`"));
    }
    const auto same =
        std::count_if(refs.begin(), refs.end(), [&](const Ref& ref) { return ref.kind == kind; });
    if (kind == RefKind::branch && same == 1) {
      fail(Errc::invalid, cat("branch ", name,
                              " is the last one; make another one first with "
                              "`mountctl branch NAME`"));
    }
    delete_ref(database, name, now_ns(), "delete");
  });
}

}  // namespace

void create_branch(Repository& repository, const std::string& name, std::optional<CommitId> tip) {
  create_ref(repository, {name, RefKind::branch, tip});
}

void delete_branch(Repository& repository, const std::string& name) {
  delete_ref_of(repository, name, RefKind::branch);
}

void create_tag(Repository& repository, const std::string& name, const CommitId& commit) {
  create_ref(repository, {name, RefKind::tag, commit});
}

void delete_tag(Repository& repository, const std::string& name) {
  delete_ref_of(repository, name, RefKind::tag);
}

}  // namespace wfs
