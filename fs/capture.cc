#include "fs/capture.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/refs.h"
#include "index/staged_rows.h"
#include "index/working_rows.h"

namespace wfs {
namespace {

constexpr auto watch_interval = std::chrono::milliseconds(100);
constexpr auto retry_interval = std::chrono::seconds(3);

}  // namespace

Capture::Capture(Repository& repository, Settings settings)
    : repository_(repository), settings_(settings) {
  const auto refs = repository_.catalog().read([](Database& database) { return all_refs(database); });
  for (const Ref& ref : refs) {
    if (ref.kind != RefKind::branch) continue;
    auto working = open_branch(ref.name);
    shared_.lock()->branches.emplace(ref.name, std::move(working));
  }
  drop_unused_staging();
  repository_.staging().on_full([this] { save_all(Durability::later); });
  threads_.emplace_back([this] { commit_jobs(); });
  threads_.emplace_back([this] { hash_ahead(); });
  threads_.emplace_back([this] { pack(); });
  threads_.emplace_back([this] { watch(); });
}

Capture::~Capture() { stop(); }

CutRules Capture::rules_for(const std::string& branch) {
  CutRules rules;
  rules.submit = [this, branch](Cut cut, std::uint64_t stamp) -> Committing {
    return submit(branch, std::move(cut), stamp);
  };
  rules.protects = settings_.capture != CaptureMode::manual;
  rules.at_every_close = settings_.capture == CaptureMode::close;
  return rules;
}

std::shared_ptr<Working> Capture::open_branch(const std::string& name) {
  return std::make_shared<Working>(repository_, name, rules_for(name));
}

// What an earlier process left in staging and nothing names any more.
void Capture::drop_unused_staging() {
  std::vector<std::shared_ptr<StagedFile>> held;
  std::vector<StagedId> unused;
  const auto [contents, rows] = repository_.catalog().read([](Database& database) {
    return std::pair(wfs::staged_contents(database), all_staged(database));
  });
  for (const ContentRow& content : contents) {
    try {
      held.push_back(repository_.contents().take_up(content.staged));
      held.back()->set_content(content.id);
      repository_.contents().keep(content.id, held.back());
    } catch (const Error& error) {
      log(Level::error, cat("content ", hex(content.id), ": ", error.what()));
    }
  }
  for (const StagedRow& row : rows) {
    if (!repository_.staging().find(row.id)) unused.push_back(row.id);
  }
  // A content whose bytes could not be taken up keeps its row: check names it.
  std::erase_if(unused, [&](StagedId id) {
    return std::any_of(contents.begin(), contents.end(),
                       [&](const ContentRow& content) { return content.staged == id; });
  });
  if (unused.empty()) return;
  repository_.catalog().write(Durability::later, [&](Database& database) {
    for (const StagedId id : unused) delete_staged(database, id);
  });
  repository_.staging().remove(unused);
}

std::shared_ptr<Working> Capture::branch(const std::string& name) {
  auto shared = shared_.lock();
  const auto at = shared->branches.find(name);
  if (at == shared->branches.end()) {
    fail(Errc::not_found, cat("there is no branch ", name, "; see `mountctl branch`"));
  }
  return at->second;
}

std::shared_ptr<Working> Capture::find(NodeId node) {
  constexpr unsigned counter_bits = 40;
  auto shared = shared_.lock();
  for (const auto& [name, working] : shared->branches) {
    if (static_cast<std::uint64_t>(working->root()) >> counter_bits ==
        static_cast<std::uint64_t>(node) >> counter_bits) {
      return working;
    }
  }
  return nullptr;
}

std::vector<std::shared_ptr<Working>> Capture::branches() {
  auto shared = shared_.lock();
  std::vector<std::shared_ptr<Working>> all;
  for (const auto& [name, working] : shared->branches) all.push_back(working);
  return all;
}

void Capture::create_branch(const std::string& name, std::optional<CommitId> tip) {
  wfs::create_branch(repository_, name, tip);
  auto working = open_branch(name);
  working->save(Durability::now);
  shared_.lock()->branches.emplace(name, std::move(working));
}

void Capture::delete_branch(const std::string& name) {
  const auto working = branch(name);
  if (working->state().open_writers > 0) {
    fail(Errc::busy, cat("files of branch ", name, " are open for writing; close them first"));
  }
  commit_now(name, "", "");  // what it holds stays in history, by its commit id
  wfs::delete_branch(repository_, name);
  repository_.catalog().write(Durability::now,
                              [&](Database& database) { forget_working(database, name); });
  shared_.lock()->branches.erase(name);
}

Committing Capture::submit(const std::string& branch, std::optional<Cut> cut, std::uint64_t stamp) {
  Job job{branch, std::move(cut), stamp, std::promise<std::optional<Committed>>()};
  Committing committing = job.done->get_future().share();
  {
    auto shared = shared_.lock();
    shared->jobs.push_back(std::move(job));
    shared->retry_now = true;
  }
  wake_commit_.notify_one();
  return committing;
}

// close(2) returns before the kernel sends the release: what a program has just closed is given a moment, so
// that "write, close, commit" holds it. A file that is mapped stays open, and is not waited for long.
void Capture::await_releases(Working& working) {
  constexpr int attempts = 20;
  for (int i = 0; i < attempts && working.state().closing > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::optional<Committed> Capture::commit_now(const std::string& name, const std::string& message,
                                             const std::string& author) {
  const auto working = branch(name);
  await_releases(*working);
  Committing committing;
  working->cut(message, author, [&](std::optional<Cut> cut, std::uint64_t stamp) {
    committing = submit(name, std::move(cut), stamp);
  });
  return committing.get();
}

void Capture::commit_jobs() {
  for (;;) {
    Job job;
    {
      auto shared = shared_.lock();
      shared.wait(wake_commit_, [&] { return !shared->jobs.empty() || shared->stopping; });
      if (shared->jobs.empty()) return;
      job = std::move(shared->jobs.front());
      shared->jobs.pop_front();
      shared->committing = true;
      shared->retry_now = false;
    }
    const bool committed = run(job);
    auto shared = shared_.lock();
    shared->committing = false;
    if (committed) {
      idle_.notify_all();
      continue;
    }
    // A cut is kept until it is committed: it may hold what no file holds any more.
    if (shared->stopping) {
      log(Level::error, cat("branch ", job.branch, ": a commit could not be made before the end"));
      return;
    }
    shared->jobs.push_front(std::move(job));
    shared.wait_for(wake_commit_, retry_interval,
                    [&] { return shared->stopping || shared->retry_now; });
  }
}

// False: the commit failed and is to be tried again.
bool Capture::run(Job& job) {
  try {
    std::optional<Committed> committed;
    if (job.cut) {
      committed = commit(repository_, *job.cut);
    } else {
      const auto ref = repository_.catalog().read(
          [&](Database& database) { return find_ref(database, job.branch); });
      if (ref && ref->tip) committed = Committed{*ref->tip, false, {}};
    }
    if (committed && job.cut) after_commit(job, *committed);
    if (job.done) job.done->set_value(std::move(committed));
    return true;
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) {
      log(Level::warning, cat("branch ", job.branch, ": ", error.what()));
      if (job.done) job.done->set_exception(std::current_exception());
      return true;  // the branch is gone
    }
    log(Level::error, cat("branch ", job.branch, ": commit: ", error.what()));
    shared_.lock()->last_error = cat("commit of ", job.branch, ": ", error.what());
    if (job.done) job.done->set_exception(std::current_exception());
    job.done.reset();
    return false;
  }
}

void Capture::after_commit(const Job& job, const Committed& committed) {
  std::shared_ptr<Working> working;
  {
    auto shared = shared_.lock();
    shared->last_error.clear();
    shared->pack_wanted = true;
    if (const auto at = shared->branches.find(job.branch); at != shared->branches.end()) {
      working = at->second;
    }
  }
  if (working) working->after_commit(committed, job.stamp);
  wake_pack_.notify_one();
  if (committed.is_new) {
    log(Level::info, cat("branch ", job.branch, ": commit ", hex(committed.id)));
  }
}

void Capture::watch() {
  for (;;) {
    {
      auto shared = shared_.lock();
      shared.wait_for(wake_stop_, watch_interval, [&] { return shared->stopping; });
      if (shared->stopping) return;
    }
    try {
      take_unhashed();
      cut_settled();
      save_all(Durability::later);
    } catch (const std::exception& error) {
      log(Level::error, cat("saving: ", error.what()));
      shared_.lock()->last_error = cat("saving: ", error.what());
    }
  }
}

void Capture::cut_settled() {
  if (settings_.capture == CaptureMode::manual) return;
  const auto settle_ms = settings_.capture == CaptureMode::close
                             ? 0
                             : static_cast<std::int64_t>(settings_.settle_seconds * 1000);
  for (const auto& working : branches()) {
    const Working::State state = working->state();
    const std::int64_t now = steady_ms();
    if (!state.pending || now - state.changed_ms < settle_ms) continue;
    if (state.model_written_ms > 0 && now - state.model_written_ms < settle_ms) continue;
    working->cut("", "", [&](std::optional<Cut> cut, std::uint64_t stamp) {
      if (cut) submit(working->branch(), std::move(cut), stamp);
    });
  }
}

void Capture::save_all(Durability durability) {
  const std::lock_guard saving(saving_);
  // Dropped before the rows are saved: afterwards no row names them.
  auto dropped = repository_.staging().take_dropped();
  try {
    for (const auto& working : branches()) working->save(durability);
    if (dropped.empty()) return;
    repository_.catalog().write(durability, [&](Database& database) {
      // Whoever held them: the bytes of a content stay until they are packed.
      std::erase_if(dropped, [&](StagedId id) { return is_staged_content(database, id); });
      for (const StagedId id : dropped) delete_staged(database, id);
    });
  } catch (...) {
    repository_.staging().give_back_dropped(dropped);
    throw;
  }
  fault_point("capture.before_remove");
  repository_.staging().remove(dropped);
}

Capture::Status Capture::status() {
  Status status;
  {
    auto shared = shared_.lock();
    status.pending_commits = shared->jobs.size() + (shared->committing ? 1 : 0);
    status.last_error = shared->last_error;
  }
  // With manual capture nobody but a user commits: what differs is not on its way.
  for (const auto& working : branches()) {
    const bool cuts_itself = settings_.capture != CaptureMode::manual;
    if (cuts_itself && working->state().pending) ++status.pending_commits;
  }
  status.staged_contents = static_cast<std::uint64_t>(repository_.catalog().read(
      [](Database& database) { return count_staged_contents(database); }));
  status.staged_bytes = repository_.staging().local_bytes();
  return status;
}

bool Capture::wait_idle(double timeout_seconds) {
  const std::int64_t until = steady_ms() + static_cast<std::int64_t>(timeout_seconds * 1000);
  for (;;) {
    const Status now = status();
    auto shared = shared_.lock();
    if (now.pending_commits == 0 && now.staged_contents == 0 && shared->jobs.empty() && !shared->committing &&
        !shared->packing && !shared->pack_wanted) {
      return true;
    }
    if (shared->stopping || steady_ms() >= until) return false;
    shared.wait_for(idle_, watch_interval, [] { return false; });
  }
}

void Capture::stop() {
  {
    auto shared = shared_.lock();
    if (shared->stopping) return;
  }
  if (settings_.capture != CaptureMode::manual) {
    for (const auto& working : branches()) {
      working->cut("", "", [&](std::optional<Cut> cut, std::uint64_t stamp) {
        if (cut) submit(working->branch(), std::move(cut), stamp);
      });
    }
  }
  repository_.staging().on_full(nullptr);
  stop_packing_ = true;
  shared_.lock()->stopping = true;
  wake_stop_.notify_all();
  wake_commit_.notify_all();
  wake_hash_.notify_all();
  wake_pack_.notify_all();
  threads_.clear();
  shared_.lock()->unhashed.clear();
  try {
    save_all(Durability::now);
  } catch (const std::exception& error) {
    log(Level::error, cat("saving: ", error.what()));
  }
}

}  // namespace wfs
