// Files being written, and contents not packed yet: sparse local files of written ranges over a base.
//
// A StagedFile is writable until freeze(), immutable after; a frozen file may be the base of another.
// Its bytes at any offset are: what was written there; else the base's byte, below base_length; else zero.
// Once its content is packed, forward() drops the local file and the base becomes that content: whoever
// holds the StagedFile goes on reading the same bytes.
//
// Any thread may read and write; two writes to overlapping ranges land in some order. The local file of a
// StagedFile that nobody holds any more is listed by Staging::take_dropped(), and is unlinked only by
// Staging::remove(), after the rows that name it are gone.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/guarded.h"
#include "codec/byte_source.h"
#include "index/ids.h"
#include "index/staged_hash.h"

namespace wfs {

// A StagedFile as the index keeps it.
struct StagedRow {
  StagedId id = StagedId::none;
  std::uint64_t size = 0;
  // Both are set when the staged base has been committed: its content stands in when it is gone.
  std::optional<ContentId> base_content;
  StagedId base_staged = StagedId::none;
  std::uint64_t base_length = 0;
  std::vector<Range> written;  // ascending, disjoint, below base_length
};

class Staging;

class StagedFile final : public ByteSource {
 public:
  ~StagedFile() override;

  StagedId id() const noexcept { return id_; }
  std::uint64_t size() const override;
  void read(std::uint64_t offset, MutableBytes to) const override;

  // Requires: not frozen. Throws Errc::no_space while the bytes can still be refused.
  void write(std::uint64_t offset, Bytes bytes);
  void resize(std::uint64_t size);
  void punch(Range hole);           // reads as zeros after
  void reserve(Range range);        // disk space for later writes; grows nothing
  void sync();                      // written bytes are durable after
  void start_sync(Range range) const noexcept;  // hands bytes to the disk and waits for nothing

  void freeze() noexcept { frozen_ = true; }
  bool frozen() const noexcept { return frozen_; }

  // Bytes the local file takes on disk now.
  std::uint64_t local_bytes() const;

  // The ranges of [from, size) that hold data, for SEEK_DATA / SEEK_HOLE.
  std::uint64_t next_data(std::uint64_t from) const;  // size() when there is none
  std::uint64_t next_hole(std::uint64_t from) const;

  StagedHash& hash() noexcept { return hash_; }  // Requires: frozen

  // What its bytes hash to; set once by commit(), with their XXH3-128 when it has read them. Requires: frozen.
  void set_content(const ContentId& content, std::optional<Hash128> fast_hash = std::nullopt);
  std::optional<ContentId> content() const;
  std::optional<Hash128> fast_hash() const;

  // Requires: `packed` has the same bytes.
  void forward(std::shared_ptr<const ByteSource> packed);
  bool forwarded() const;

  StagedRow row() const;
  // The content it shows byte for byte without any of its own; nullopt when it has written anything.
  std::optional<ContentId> unchanged_base() const;
  bool is_over_base() const;  // some of its bytes are another file's
  // How many staged files its bytes may be gathered from, itself not counted.
  unsigned depth() const;
  // The file it is laid over while that is staged itself; null otherwise.
  std::shared_ptr<const StagedFile> staged_base() const;

 private:
  friend class Staging;
  struct Base {
    std::shared_ptr<const ByteSource> bytes;      // null: none
    std::optional<ContentId> content;             // when it is a packed or staged content
    std::shared_ptr<const StagedFile> staged;     // when it is a staged file
    std::uint64_t length = 0;
  };

  StagedFile(Staging& staging, StagedId id, std::shared_ptr<const Fd> local);
  void mark_written(Range range);  // Requires: mutex_ held for writing

  Staging& staging_;
  const StagedId id_;
  std::int64_t name_number_ = 0;  // of names made by this process; 0: it was there before
  std::atomic<bool> frozen_ = false;
  mutable std::shared_mutex mutex_;  // guards the members below, never held over I/O on the base
  std::shared_ptr<const Fd> local_;
  std::uint64_t size_ = 0;
  Base base_;
  std::map<std::uint64_t, std::uint64_t> written_;  // offset -> end, below base_.length
  std::optional<ContentId> content_;
  std::optional<Hash128> fast_hash_;
  StagedHash hash_;  // guards itself
};

// What a new staged file is laid over.
struct StagedBase {
  std::shared_ptr<const ByteSource> bytes;
  std::optional<ContentId> content;            // exactly one of content and staged is set
  std::shared_ptr<const StagedFile> staged;
};

class Staging {
 public:
  // `next` is the first id that no row has used.
  Staging(stdfs::path folder, StagedId next);
  ~Staging();

  std::shared_ptr<StagedFile> create();
  // A file that shows the first `length` bytes of the frozen `base`.
  std::shared_ptr<StagedFile> create_over(StagedBase base, std::uint64_t length);
  // Takes up a file from its row after a restart; throws Errc::not_found when its bytes are gone.
  std::shared_ptr<StagedFile> open(const StagedRow& row, StagedBase base);

  std::shared_ptr<StagedFile> find(StagedId id);  // null: nobody holds it

  std::vector<StagedId> take_dropped();
  void give_back_dropped(const std::vector<StagedId>& ids);  // they could not be removed yet
  void remove(const std::vector<StagedId>& ids) noexcept;
  // Unlinks local files whose id is not among `kept`: left by a crash.
  void remove_orphans(const std::vector<StagedId>& kept);
  // From now on nothing is listed as dropped: the process ends and the rows keep their files.
  void close() noexcept { closing_ = true; }

  std::uint64_t local_bytes();  // of all files, on disk

  // Called, without a lock held, when the disk is found full while dropped files wait to be removed.
  void on_full(std::function<void()> reclaim) { reclaim_ = std::move(reclaim); }

 private:
  friend class StagedFile;
  struct State {
    std::unordered_map<std::int64_t, std::weak_ptr<StagedFile>> files;
    std::vector<StagedId> dropped;
  };

  stdfs::path path_of(StagedId id) const;
  std::shared_ptr<StagedFile> adopt(StagedId id, Fd local);
  void sync_name(std::int64_t number);  // the name of a local file is durable after
  bool has_room(std::uint64_t bytes) const;
  void before_write(std::uint64_t bytes);  // throws Errc::no_space when the disk's reserve is reached

  stdfs::path folder_;
  std::atomic<std::int64_t> next_;
  std::atomic<std::int64_t> names_made_ = 0;    // by this process, each numbered once it is there
  std::atomic<std::int64_t> names_synced_ = 0;  // those up to here are durable
  std::atomic<bool> closing_ = false;
  std::atomic<std::int64_t> unchecked_bytes_ = 0;
  Guarded<State> state_;
  std::function<void()> reclaim_;
};

}  // namespace wfs
