// Turns what settles in working folders into commits, and packs them: one thread commits cuts in the order
// they were made, one hashes large files ahead of that, one packs in the background, one watches the branches
// and saves their rows. Owns the
// Working of each branch. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "base/pool.h"
#include "fs/working.h"
#include "index/packing.h"

namespace wfs {

class Capture {
 public:
  Capture(Repository& repository, Settings settings);
  ~Capture();  // stop()

  // The working folder of a branch; Errc::not_found for a name that is none.
  std::shared_ptr<Working> branch(const std::string& name);
  std::shared_ptr<Working> find(NodeId node);  // the branch a node belongs to; null: none
  std::vector<std::shared_ptr<Working>> branches();

  // Branches of the mount: the ref and its working folder together.
  void create_branch(const std::string& name, std::optional<CommitId> tip);
  void delete_branch(const std::string& name);   // Errc::busy while files of it are open

  // Commits what the branch holds now and waits for it. Message and author may be empty.
  std::optional<Committed> commit_now(const std::string& branch, const std::string& message,
                                      const std::string& author);

  struct Status {
    std::uint64_t pending_commits = 0;   // branches that differ from their last cut, and cuts under way
    std::uint64_t staged_contents = 0;
    std::uint64_t staged_bytes = 0;
    std::string last_error;              // of committing or packing; empty: none since the last success
  };
  Status status();
  // Commits and packs everything that is complete; false when `timeout_seconds` passed before.
  bool wait_idle(double timeout_seconds);

  void save_all(Durability durability);
  // Commits what settled, saves the rows and ends the threads. Packing goes on at the next start.
  void stop();

 private:
  struct Job {
    std::string branch;
    std::optional<Cut> cut;    // none: only tells when the jobs before it are done
    std::uint64_t stamp = 0;
    std::optional<std::promise<std::optional<Committed>>> done;  // none: it failed once already
  };
  struct Shared {
    std::map<std::string, std::shared_ptr<Working>> branches;
    std::deque<Job> jobs;
    std::deque<std::shared_ptr<StagedFile>> unhashed;  // complete, and in no cut yet
    bool committing = false;
    bool packing = false;
    bool pack_wanted = true;   // whatever an earlier process left
    bool retry_now = false;    // a job came since the last one failed
    bool stopping = false;
    std::string last_error;
  };

  // capture.cc
  void watch();
  void commit_jobs();
  bool run(Job& job);
  void after_commit(const Job& job, const Committed& committed);
  static void await_releases(Working& working);
  Committing submit(const std::string& branch, std::optional<Cut> cut, std::uint64_t stamp);
  void cut_settled();
  void drop_unused_staging();
  CutRules rules_for(const std::string& branch);
  std::shared_ptr<Working> open_branch(const std::string& name);

  // capture_background.cc
  void take_unhashed();
  void hash_ahead();
  void pack();
  void improve(Pool& pool);

  Repository& repository_;
  Settings settings_;
  Guarded<Shared> shared_;
  std::mutex saving_;  // one save_all() at a time; taken before any other lock
  std::condition_variable wake_stop_, wake_commit_, wake_hash_, wake_pack_, idle_;
  std::atomic<bool> stop_packing_ = false;
  // Of the thread that packs:
  bool all_sketched_ = false;  // whatever is packed
  std::string improve_error_;  // told already; empty: the last improve() went well
  std::vector<std::jthread> threads_;
};

}  // namespace wfs
