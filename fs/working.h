// The working folder of one branch: what its next commit will hold, in memory, kept across restarts by
// rows that save() writes. Folder structure and attributes are guarded by one lock, held for short; the
// bytes of files move outside it.
//
// Every change has a stamp that grows. cut() freezes the branch in time proportional to what changed since
// the commit it is based on; a folder that has not changed is named by its tree. A complete model file that
// no cut holds yet is cut before anything destroys it (PRODUCT: capture).
// Any thread may call anything. Functions throw Error; absence in lookup is a value.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "fs/types.h"
#include "fs/work_file.h"
#include "index/commit.h"
#include "index/ignore.h"
#include "index/repository.h"

namespace wfs {

class Working;

// One open of a file of a working folder; closes (RELEASE) when destroyed.
class OpenFile {
 public:
  OpenFile(std::shared_ptr<Working> working, NodeId node, OpenMode mode)
      : working_(std::move(working)), node_(node), mode_(mode) {}
  ~OpenFile();
  OpenFile(OpenFile&&) = delete;

  NodeId node() const noexcept { return node_; }
  const OpenMode& mode() const noexcept { return mode_; }
  Working& working() const noexcept { return *working_; }

  std::size_t read(std::uint64_t offset, MutableBytes to);  // short only at the end of the file
  std::size_t write(std::uint64_t offset, Bytes bytes);     // an appending handle writes at the end
  void flush();                                             // close(2) of one descriptor
  void sync();                                              // data and attributes durable
  void allocate(int mode, Range range);                     // fallocate(2): 0, KEEP_SIZE, PUNCH, ZERO
  std::uint64_t seek(std::uint64_t from, int whence);       // SEEK_DATA, SEEK_HOLE
  // copy_file_range(2): shares the bytes when a whole file goes into an empty one.
  std::uint64_t copy_to(std::uint64_t from, OpenFile& target, Range range);

 private:
  std::shared_ptr<Working> working_;
  NodeId node_;
  OpenMode mode_;
  bool counted_ = false;  // among the writers or readers of the file

  friend class Working;
};

// How a working folder reaches capture: commit this cut. Called with its lock held, so that cuts arrive in
// the order they were made; it must not call back into the Working. The future tells when it is committed.
using Committing = std::shared_future<std::optional<Committed>>;
using Submit = std::function<Committing(Cut, std::uint64_t stamp)>;

// When a working folder asks for a commit by itself.
struct CutRules {
  Submit submit;
  bool protects = true;       // before a model that no cut holds is destroyed
  bool at_every_close = false;
};

class Working : public std::enable_shared_from_this<Working> {
 public:
  // Loads the rows of `branch`, or its tip when there are none.
  Working(Repository& repository, std::string branch, CutRules rules);
  ~Working();

  const std::string& branch() const noexcept { return branch_; }
  NodeId root() const noexcept { return root_; }

  Attributes attributes(NodeId node);
  // Counts one lookup for the kernel when found; so do the functions that make an entry.
  std::optional<Attributes> lookup(NodeId folder, std::string_view name);
  // The same for names that were listed, in one go.
  std::vector<std::optional<Attributes>> look_up(NodeId folder,
                                                 std::span<const FolderEntry> listed);
  void forget(NodeId node, std::uint64_t lookups) noexcept;
  std::vector<FolderEntry> list(NodeId folder);  // without "." and ".."
  NodeId parent_of(NodeId folder);

  Attributes make_file(NodeId folder, std::string_view name, mode_t mode, const Caller& caller);
  Attributes make_folder(NodeId folder, std::string_view name, mode_t mode, const Caller& caller);
  Attributes make_symlink(NodeId folder, std::string_view name, std::string_view target,
                          const Caller& caller);
  // `mode` holds S_IFIFO or S_IFSOCK: an entry without bytes, which no commit holds.
  Attributes make_special(NodeId folder, std::string_view name, mode_t mode, const Caller& caller);
  // A file without a name (O_TMPFILE), which link() may give one; else it goes with its last handle.
  Attributes make_unnamed(NodeId folder, mode_t mode, const Caller& caller);
  Attributes link(NodeId file, NodeId folder, std::string_view name);
  void unlink(NodeId folder, std::string_view name);
  void remove_folder(NodeId folder, std::string_view name);
  void rename(NodeId from_folder, std::string_view from, NodeId to_folder, std::string_view to,
              Existing existing);
  std::string target_of(NodeId symlink);

  Attributes change(NodeId node, const AttributeChanges& changes);
  // The set-user-id and set-group-id bits, before somebody without the right to keep them writes.
  void drop_set_ids(NodeId file);
  std::optional<std::string> xattr(NodeId node, std::string_view name);
  std::vector<std::string> xattrs(NodeId node);
  enum class XattrMode { any, create, replace };
  void set_xattr(NodeId node, std::string_view name, std::string_view value, XattrMode mode);
  void remove_xattr(NodeId node, std::string_view name);
  // The content of the file's complete bytes when a commit has named it.
  std::optional<ContentId> content_of(NodeId file);

  std::shared_ptr<OpenFile> open(NodeId file, OpenMode mode, const Caller& caller);

  // Capture.
  struct State {
    bool pending = false;             // something differs from the last cut
    std::int64_t changed_ms = 0;      // steady time of the last completion or change of names
    std::int64_t model_written_ms = 0;  // of the last byte into a model file that is open; 0: none
    unsigned open_writers = 0;        // files
    unsigned closing = 0;             // of them, those whose only writer has closed them
  };
  State state();
  // Hands `submit` what differs from the last cut, or nullopt when nothing does, with the lock held.
  void cut(const std::string& message, const std::string& author,
           const std::function<void(std::optional<Cut>, std::uint64_t stamp)>& submit);
  void after_commit(const Committed& committed, std::uint64_t stamp);
  // Large files that were completed since the last call, and are no difference from others.
  std::vector<std::shared_ptr<StagedFile>> take_unhashed();
  void after_packed();    // takes committed contents for staged bytes where they are packed

  // Writes what changed since the last save.
  void save(Durability durability);

 private:
  friend class OpenFile;

  struct Name {
    NodeId parent = NodeId::none;
    std::string_view text;         // the key in the parent's entries
  };

  struct Node {
    NodeId id = NodeId::none;
    Kind kind = Kind::file;
    mode_t special = 0;            // S_IFIFO, S_IFSOCK: a file without bytes; 0: an ordinary one
    bool unnamed = false;          // made without a name, and not given one yet
    mode_t mode = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    std::int64_t atime_ns = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    std::string target;
    Xattrs xattrs;
    std::vector<Name> names;       // all of its names
    std::uint64_t model_names = 0;  // of them, those a model has
    std::uint64_t lookups = 0;     // the kernel's
    std::uint64_t changed = 0;     // folders: stamp of the last change below
    std::optional<TreeId> tree;    // folders: the tree it equals
    std::map<std::string, NodeId, std::less<>> entries;  // folders
    std::uint64_t folders = 0;     // of the entries
    bool uncut_models = true;      // folders: whether an entry may be a model that no cut holds
    WorkFile file;                 // files
  };

  // Rows to be written by the next save.
  struct Dirty {
    std::set<NodeId> nodes;
    std::set<std::pair<NodeId, std::string>> entries;
  };

  struct Folders {
    std::unordered_map<std::uint64_t, Node> nodes;
    std::uint64_t next = 0;
    std::uint64_t stamp = 1;       // of the last change
    std::uint64_t cut_stamp = 0;   // of the last cut
    std::int64_t changed_ms = 0;
    std::string writer;            // name of the process that wrote last
    std::set<NodeId> writing;       // files with open writers
    std::vector<NodeId> unhashed;   // large files that were completed, and in no cut then
    IgnoreRules ignore;
    std::string ignore_text;
    bool saved_later = false;      // rows were written without a sync
    Dirty dirty;
  };

  struct Saved;

  // working_save.cc
  Saved take_dirty(Folders& all) const;  // Requires: the lock is held

  // working_load.cc
  void load_rows(Folders& all, Database& database);
  void load_tip(Folders& all);
  void load_tree(Folders& all, NodeId folder, const TreeId& tree);
  std::optional<Version> load_version(const std::optional<ContentId>& content, StagedId staged,
                                      std::uint64_t size);
  void refresh_ignored(Folders& all);

  // working.cc: shared steps. Requires, as for all below: the lock is held.
  static Node& node(Folders& all, NodeId id);
  static Node& folder(Folders& all, NodeId id);
  static mode_t type_of(const Node& node) noexcept;  // S_IFREG and so on
  NodeId next_id(Folders& all) const;
  Node& add(Folders& all, Kind kind, mode_t mode, const Caller& caller, const Node& parent);
  static void add_name(Node& parent, std::string_view name, Node& child);
  void put_entry(Folders& all, Node& parent, std::string_view name, Node& child);
  void drop_entry(Folders& all, Node& parent, std::string_view name, Node& child);
  void drop_if_unused(Folders& all, NodeId id);
  void touch(Folders& all, Node& folder);            // something below changed
  void touch_parents(Folders& all, const Node& child);
  static void drop_trees(Folders& all, Node& moved);
  void names_changed(Folders& all, Node& parent, std::string_view name, const Node& child);
  Attributes attributes_of(const Node& node) const;
  bool is_history(Folders& all, const Node& parent, std::string_view name, const Node& child) const;
  bool is_history(Folders& all, const Node& file) const;  // by any of its names
  std::string path_of(Folders& all, const Node& folder) const;
  Attributes reply(Node& node);                      // its attributes, with one lookup counted
  Node& existing_folder(Folders& all, NodeId id);    // one that was not removed
  Node& new_entry(Folders& all, NodeId folder, std::string_view name, Kind kind, mode_t mode,
                  const Caller& caller);

  // working_files.cc
  void install(Folders& all, Node& file, std::shared_ptr<StagedFile> staged);
  void complete(Folders& all, Node& file);
  void wrote(Folders& all, Node& file);
  std::shared_ptr<const ByteSource> open_bytes(const Version& version);
  StagedBase base_of(const Version& version);
  static bool has_model_name(std::string_view name);
  static bool is_model(const Node& file);

  // working_cut.cc
  // Before the bytes of a file or its name are destroyed: cuts if they would be lost.
  std::optional<Committing> protect(Folders& all, Node& file);
  static bool is_uncut_model(const Node& file);
  bool is_beside_uncut_model(Folders& all, const Node& file) const;
  static void note_unhashed(Folders& all, const Node& file);
  static void note_model(Folders& all, const Node& file);  // its folders may hold an uncut model
  Cut cut_now(Folders& all, std::string message, std::string author);
  CutFolder cut_folder(Folders& all, const Node& folder, const std::string& path) const;

  // Without the lock.
  void await_protected(NodeId file);  // until what protect() cut is committed, or has failed to be
  void await_protected(NodeId folder, std::string_view name);
  std::shared_ptr<const ByteSource> readable(NodeId file);
  // The staged file to write to; makes one over the current bytes when those are frozen. `keep` is how many
  // of the bytes there are wanted.
  std::shared_ptr<StagedFile> writable(NodeId file, std::uint64_t keep);
  std::shared_ptr<StagedFile> staged_over(const Version& version, std::uint64_t keep);
  void truncate(NodeId file, std::uint64_t size);
  // Gives the empty file `to` the bytes of `from` without copying them; false when they still change.
  bool share(Working& source, NodeId from, NodeId to);
  void note_write(NodeId file);
  bool looks_like_tensors(NodeId file);
  void note_failure(NodeId file);
  void flush(NodeId file, bool writes);
  void release(NodeId file, OpenMode mode) noexcept;

  Repository& repository_;
  std::string branch_;
  CutRules rules_;
  NodeId root_ = NodeId::none;
  Guarded<Folders> folders_;
  std::mutex saving_;  // one save at a time; taken before folders_
};

}  // namespace wfs
