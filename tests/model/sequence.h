// One sequence of random operations, done to a file system and to the reference, and compared. A
// difference is thrown as std::runtime_error; the operations done so far are in log(). One thread.
#pragma once

#include <deque>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/fs/mounted.h"
#include "tests/model/reference.h"

namespace wfs {

class Sequence {
 public:
  explicit Sequence(std::uint64_t seed) : random_(seed) {}
  ~Sequence();

  void run();
  const std::vector<std::string>& log() const { return log_; }

 private:
  struct Opened {
    Handle* handle = nullptr;
    RefNodePtr node;
    OpenMode mode;
  };
  struct Place {
    RefNodePtr folder;
    std::string folder_path;  // "" or "a/b"
    std::string name;
    std::string path() const { return folder_path.empty() ? name : folder_path + "/" + name; }
  };
  struct Recorded {
    CommitId id;
    State state;
  };

  // sequence.cc
  void start();
  void stop();
  void step();
  void note(std::string text) { log_.push_back(std::move(text)); }
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  std::string random_bytes(std::size_t length);
  Place any_place();
  std::optional<Place> some_entry(std::optional<Kind> kind);
  Ino ino_of(const std::string& path);  // with no lookup left counted
  Ino folder_of(const Place& place) { return ino_of(place.folder_path); }
  Opened* some_handle(bool writes);
  // Does it and compares the code of its Error with the expected one; true when it succeeded.
  bool attempt(const std::string& what, std::optional<Errc> expected,
               const std::function<void()>& action);

  // Operations on files.
  void create();
  void open();
  void close();
  void write();
  void truncate();
  void allocate();
  void read();
  void copy();
  void copy_from_commit();
  void sync();
  // Operations on names and attributes.
  void make_folder();
  void make_symlink();
  void link();
  void unlink();
  void remove_folder();
  void rename();
  void change_mode();
  void change_time();
  void change_xattr();
  void ignore();
  // Operations on the repository.
  void commit();
  void wait_idle();
  void reopen();

  void destroys(const RefNode& file);  // its complete bytes are about to go with its name
  void overwrites(RefNode& file);      // or with the first change of them
  void put(RefNode& file, std::size_t offset, std::string_view bytes);
  void close(std::size_t index);
  void close_all();

  // Comparisons.
  void require(bool holds, const std::string& what);
  void compare(const RefNode& expected, Ino folder, const std::string& path);
  std::string read_all(Handle* handle, std::size_t size);
  void read_state(Ino folder, const std::string& prefix, State& state,
                  std::map<std::string, std::int64_t>& times);
  void live_times(const RefNode& folder, const std::string& prefix,
                  std::map<std::string, std::int64_t>& times);
  State state_of(const CommitId& id, std::map<std::string, std::int64_t>& times);
  void require_idle();
  void check_end();
  static std::string difference(const State& expected, const State& found);

  std::mt19937_64 random_;
  std::vector<std::string> log_;
  TemporaryFolder folder_;
  std::unique_ptr<Repository> repository_;
  std::unique_ptr<Capture> capture_;
  std::unique_ptr<FileSystem> files_;
  Caller caller_{::getuid(), ::getgid(), ::getpid(), 022};
  Reference reference_;
  std::deque<Opened> opened_;
  std::vector<Recorded> commits_;
  std::set<State> moments_;           // every state there was between two operations
  std::set<BytesName> must_be_kept_;  // complete models that were destroyed: some commit holds each
};

}  // namespace wfs
