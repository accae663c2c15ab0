// Contents decoded whole, each as a plain file REPOSITORY/cache/<sha256>, which the kernel can read
// by itself. A file beside it, <sha256>.sum, holds its size and XXH3-128: a decoded file of an
// earlier run is held against it before it is trusted, once, in the background; one that does not
// match is removed. Bounded in bytes; what was used longest ago goes first, also when the disk runs
// low.
//
// Any thread. One thread of its own, at low priority, decodes what is wanted and checks what is
// found. No lock is held while bytes are decoded, read or written; names are removed under it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/guarded.h"
#include "index/contents.h"
#include "index/ids.h"

namespace wfs {

struct DiskSpace {
  std::uint64_t free = 0;
  std::uint64_t total = 0;
};
DiskSpace space_of(const stdfs::path& folder);

class DecodedFiles {
 public:
  // Smaller contents are not worth a file.
  static constexpr std::uint64_t file_bytes_min = 1 << 20;

  struct Options {
    std::optional<std::uint64_t> bytes_max;  // none: a tenth of what is free; 0: off
    std::function<DiskSpace()> space;        // empty: that of the folder
  };

  // Takes up what earlier runs left in `folder`, and removes what they left unfinished.
  DecodedFiles(stdfs::path folder, Contents& contents, Options options);
  ~DecodedFiles();
  DecodedFiles(DecodedFiles&&) = delete;

  bool is_on() const noexcept { return bytes_max_ > 0; }

  // The decoded file of `id`, opened for reading. None while there is none that is trusted; one
  // that has not been checked is then checked in the background.
  Fd find(const ContentId& id);

  // Decodes `id` in the background, if that is worth it.
  void want(const ContentId& id);

  enum class Filled { there, made, not_worth_it, no_room };
  // Decodes `id` now. Throws what reading it throws, and Errc::io.
  Filled fill(const ContentId& id);

  // What is under way ends with Errc::busy, and nothing new begins.
  void stop() noexcept;

  // Removes files while the disk runs low.
  void give_back();

  struct Totals {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_max = 0;
  };
  Totals totals();
  void wait_idle();  // until nothing is wanted

 private:
  // What tells that nobody has touched a file since it was trusted.
  struct Stamp {
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Entry {
    std::uint64_t size = 0;
    Hash128 hash;
    std::int64_t used_ns = 0;
    std::optional<Stamp> trusted;  // none: not checked yet
  };
  struct State {
    std::unordered_map<ContentId, Entry> entries;
    std::uint64_t bytes = 0;     // of the entries
    std::uint64_t reserved = 0;  // of files being written
    std::deque<ContentId> wanted;
    std::set<ContentId> busy;  // wanted, or being worked on
    bool stopping = false;
  };
  enum class Pace { background, at_once };
  class Writer;

  stdfs::path file_of(const ContentId& id) const { return folder_ / hex(id); }
  stdfs::path sum_of(const ContentId& id) const { return folder_ / (hex(id) + ".sum"); }
  static Stamp stamp_of(const Fd& fd);

  void take_up();
  Filled fill(const ContentId& id, Pace pace);
  Filled make(const ContentId& id, Pace pace);
  Stamp write_out(const ContentId& id, const PackedContent& source, Pace pace, Hash128& hash);
  bool check(const ContentId& id, const Entry& entry);
  bool make_room(State& state, std::uint64_t size);
  void remove(State& state, const ContentId& id) noexcept;
  static const ContentId* oldest(const State& state) noexcept;
  void done(const ContentId& id);
  bool stopping() { return state_.lock()->stopping; }
  void work();

  stdfs::path folder_;
  Contents& contents_;
  std::function<DiskSpace()> space_;
  std::uint64_t bytes_max_ = 0;
  Guarded<State> state_;
  std::condition_variable changed_;
  std::jthread worker_;  // the last member: it ends first
};

}  // namespace wfs
