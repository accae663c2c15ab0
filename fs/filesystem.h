// The mount without a kernel: one function for each operation, in plain values. It finds out what
// an inode number stands for (the top folder, a generated file, an entry of a commit, a symlink
// made by a lookup, or a node of a working folder) and asks the part that owns it. Owns the
// handles; no other state of its own.
//
// Functions throw Error; a name that is absent is a value, for programs probe names all the time.
// lookup() and every function that gives an EntryReply count one lookup, which forget() takes back.
// Any thread; a handle is not used after its release.
#pragma once

#include <sys/statvfs.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/pool.h"
#include "fs/capture.h"
#include "fs/control_files.h"
#include "fs/handles.h"
#include "fs/links.h"
#include "fs/passthrough.h"
#include "fs/recent.h"
#include "fs/snapshots.h"
#include "fs/types.h"
#include "index/decoded_files.h"
#include "index/repository.h"

namespace wfs {

struct Owner {  // of everything in the mount that no program made
  uid_t uid = 0;
  gid_t gid = 0;
};

struct EntryReply {
  Attributes attributes;
  double entry_timeout_seconds = 0;
  double attribute_timeout_seconds = 0;
};

struct AttributesReply {
  Attributes attributes;
  double timeout_seconds = 0;
};

struct Created {
  EntryReply entry;
  Handle* handle = nullptr;
};

class FileSystem {
 public:
  static constexpr Ino root_ino = 1;

  FileSystem(Repository& repository, Capture& capture, Owner owner);
  // Commits only: no branches, and nothing is changed. The repository may be open for reading.
  FileSystem(Repository& repository, Owner owner);
  ~FileSystem();

  // Whether, and for which open files, the kernel reads decoded files by itself.
  Passthrough& passthrough() noexcept { return passthrough_; }
  // Requires: not commits_only().
  DecodedFiles& decoded() noexcept { return *decoded_; }
  bool commits_only() const noexcept { return capture_ == nullptr; }

  // lookup.cc
  std::optional<EntryReply> lookup(Ino folder, std::string_view name);
  // Each of `listed` again, as lookup() would find it; "." and ".." are passed over.
  std::vector<std::optional<EntryReply>> look_up(Ino folder, std::span<const FolderEntry> listed);
  // How long an absent name may be remembered.
  double absent_timeout_seconds(Ino folder, std::string_view name) const noexcept;
  void forget(Ino ino, std::uint64_t lookups) noexcept;

  // attributes.cc
  AttributesReply attributes(Ino ino);
  AttributesReply change(Ino ino, const AttributeChanges& changes);
  std::string target_of(Ino symlink);
  struct statvfs space();

  // names.cc
  EntryReply make_file(Ino folder, std::string_view name, mode_t mode, const Caller& caller);
  EntryReply make_folder(Ino folder, std::string_view name, mode_t mode, const Caller& caller);
  EntryReply make_symlink(Ino folder, std::string_view name, std::string_view target,
                          const Caller& caller);
  EntryReply make_special(Ino folder, std::string_view name, mode_t mode, const Caller& caller);
  EntryReply link(Ino file, Ino folder, std::string_view name);
  void unlink(Ino folder, std::string_view name);
  void remove_folder(Ino folder, std::string_view name);
  void rename(Ino from_folder, std::string_view from, Ino to_folder, std::string_view to,
              Existing existing);
  // Throws what a change of the folder would meet before it is tried: Errc::read_only in commits
  // and so on.
  void require_writable(Ino folder);

  // read.cc
  Handle* open(Ino file, OpenMode mode, const Caller& caller);
  // Before the kernel is told of the new handle: the backing id it is to read by itself; 0: none.
  int pass_through(Handle& handle, const std::function<int(int fd)>& open_backing);
  void release(Handle* handle) noexcept;
  std::size_t read(Handle& handle, std::uint64_t offset, MutableBytes to);
  std::uint64_t seek(Handle& handle, std::uint64_t from, int whence);

  // write.cc
  Created create(Ino folder, std::string_view name, mode_t mode, OpenMode open_mode,
                 const Caller& caller);
  Created create_unnamed(Ino folder, mode_t mode, OpenMode open_mode, const Caller& caller);
  // Before a write of `caller`: what the kernel does itself for writes by way of its cache.
  void drop_set_ids(Handle& handle, const Caller& caller);
  std::size_t write(Handle& handle, std::uint64_t offset, Bytes bytes);
  void flush(Handle& handle);
  void sync(Handle& handle);
  void allocate(Handle& handle, int mode, Range range);
  // May copy less than asked; 0 only at the end of `from`.
  std::uint64_t copy(Handle& from, Range range, Handle& to, std::uint64_t offset);

  // folders.cc
  FolderHandle* open_folder(Ino folder);
  void release_folder(FolderHandle* handle) noexcept;
  // "." and "..", then the names. Reads them anew for number 0; else the list of that number goes
  // on, also when the kernel has the number from another handle.
  NumberedListing list(FolderHandle& handle, std::uint64_t number);
  void sync_folder(Ino folder);

  // unopened.cc: reading without a handle, for a mount of commits only.
  std::shared_ptr<Handle> unopened(Ino file);
  NumberedListing list_unopened(Ino folder, std::uint64_t number);

  // xattrs.cc
  std::optional<std::string> xattr(Ino ino, std::string_view name);
  std::vector<std::string> xattrs(Ino ino);
  void set_xattr(Ino ino, std::string_view name, std::string_view value, Working::XattrMode mode);
  void remove_xattr(Ino ino, std::string_view name);

 private:
  enum class Place { top, control_folder, control_file, commit, link, working };
  static Place place_of(Ino ino) noexcept;
  static NodeId node_of(Ino ino) noexcept { return static_cast<NodeId>(ino); }
  static Ino ino_of(NodeId node) noexcept { return static_cast<Ino>(node); }

  std::shared_ptr<Working> working(Ino ino);               // throws Errc::not_found
  std::shared_ptr<Working> branch(std::string_view name);  // null: there is none
  [[noreturn]] static void refuse(Place place);            // a change of what cannot be changed
  std::shared_ptr<Working> changeable(Ino ino);  // refuse() unless it is of a working folder

  // lookup.cc
  std::optional<EntryReply> lookup_top(std::string_view name);
  std::optional<EntryReply> lookup_revision(Working& working, NodeId folder, std::string_view name);
  std::optional<EntryReply> entry_at_revision(Working& working, NodeId folder,
                                              std::string_view name, std::size_t base_length,
                                              const CommitId& commit);
  std::optional<CommitId> commit_of(std::string_view revision);
  std::string path_of(Working& working, NodeId folder);
  EntryReply branch_reply(Working& working);
  EntryReply commit_reply(const SnapshotNode& node) const;
  EntryReply link_reply(Ino parent, std::string_view name, const CommitId& commit,
                        std::string_view up, std::string_view path);
  static EntryReply working_reply(Attributes attributes);

  enum class Fresh { yes, no };
  KeptText kept_text(Ino file, Fresh fresh);
  Attributes generated(Ino ino, mode_t mode, std::uint64_t links, std::int64_t time_ns) const;
  AttributesReply top_attributes();
  AttributesReply text_attributes(Ino file);
  std::vector<FolderEntry> list_top();
  Listing listing_of(Ino folder);
  std::shared_ptr<const ByteSource> bytes_of(const ContentId& content);
  std::unique_ptr<Handle> open_committed(Ino file);
  Handle* keep(std::unique_ptr<Handle> handle);
  void count_read(Handle& handle, const CommitHandle& commit, std::uint64_t length) noexcept;
  Created opened(EntryReply entry, OpenMode mode, const Caller& caller);
  std::unique_ptr<ReadAhead> ahead_of(Working& working, NodeId file);
  std::optional<std::string> tensors_of(const ContentId& content);
  std::optional<std::string> content_xattr(const ContentId& content, std::string_view name);

  Repository& repository_;
  Capture* capture_ = nullptr;  // null: commits only
  Owner owner_;
  Snapshots snapshots_;
  Links links_;
  ControlFiles control_files_;
  Passthrough passthrough_;
  std::optional<DecodedFiles> decoded_;
  Pool ahead_pool_;
  std::uint64_t ahead_max_;
  // Handles that nobody has released; what is left at the end is dropped with the file system.
  Guarded<std::unordered_map<const Handle*, std::unique_ptr<Handle>>> handles_;
  Guarded<std::unordered_map<const FolderHandle*, std::unique_ptr<FolderHandle>>> folder_handles_;
  Recent<ContentId, const ByteSource> small_contents_{8192};
  // Listings that the kernel may ask to go on by their number alone, by how many names they have.
  Recent<std::uint64_t, const Listing> listings_{400'000};
  std::atomic<std::uint64_t> listings_made_ = 0;
  // Of a mount of commits only.
  Recent<Ino, Handle> unopened_files_{128};
  Guarded<std::unordered_map<Ino, KeptText>> texts_;
};

}  // namespace wfs
