// What is behind the descriptors that programs hold: an open file or an open folder. A handle lives
// from open to release; a file handle does not change meanwhile, so reads of one file share no lock
// here.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/guarded.h"
#include "codec/byte_source.h"
#include "fs/readahead.h"
#include "fs/types.h"
#include "fs/working.h"
#include "index/ids.h"

namespace wfs {

struct WorkingHandle {
  std::shared_ptr<OpenFile> file;
};

struct CommitHandle {
  std::shared_ptr<const ByteSource> bytes;
  ContentId content;
};

struct TextHandle {
  std::string text;  // generated when it was opened
};

// A generated file that is read without being opened.
struct KeptText {
  std::string text;
  std::int64_t mtime_ns = 0;   // when it became what it is
  std::int64_t looked_ms = 0;  // steady time when that was seen; 0: never
};

// How the kernel may keep the bytes of an open file.
enum class Caching { keep, direct };

struct Handle {
  Ino ino = 0;
  std::variant<WorkingHandle, CommitHandle, TextHandle> of;
  std::unique_ptr<ReadAhead> ahead;  // null: nothing to decode
  Caching caching = Caching::keep;
  Fd decoded;            // what the kernel may read by itself instead; of commits only
  bool counted = false;  // Passthrough has to be told of its end
  std::atomic<std::uint64_t> bytes_read = 0;  // through the daemon, of a commit
  bool flushes = false;                       // close(2) of a descriptor has to be told
};

using Listing = std::shared_ptr<const std::vector<FolderEntry>>;

// A folder being read. The number finds the same listing again.
struct NumberedListing {
  Listing listing;
  std::uint64_t number = 0;
};

// The names of an open folder as they were when it was read from its start.
struct FolderHandle {
  Ino ino = 0;
  bool cached = false;  // by the kernel, which sees every change
  Guarded<NumberedListing> last;
};

}  // namespace wfs
