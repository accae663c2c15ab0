// The bytes of one file of a working folder. `current` is what readers see now; `complete` is what it held
// when its last writer was gone, and what a commit takes. A complete version is frozen: the next writer gets
// a staged file of its own over it, so neither a commit nor history ever sees half a write.
// Guarded by the lock of its Working, but for the bytes of a StagedFile, which guard themselves.
#pragma once

#include <memory>
#include <optional>

#include "codec/byte_source.h"
#include "index/ids.h"
#include "index/staging.h"

namespace wfs {

// The bytes of a file at one moment: in staging, or a committed content.
struct Version {
  std::shared_ptr<StagedFile> staged;  // null: `content`
  ContentId content;
  std::uint64_t size = 0;

  bool same_as(const Version& other) const noexcept {
    return staged == other.staged && (staged || content == other.content);
  }
};

struct WorkFile {
  Version current;
  std::optional<Version> complete;
  std::int64_t complete_mtime_ns = 0;
  std::uint64_t completed = 0;    // stamp of the last completion; 0: a cut holds it
  bool is_tensors = false;        // its first bytes are those of a known tensor format
  std::shared_ptr<const ByteSource> bytes;  // of current when that is a content; opened when first read
  unsigned writers = 0;           // open handles that may write, mapped ones included
  unsigned readers = 0;
  bool failed = false;            // a write was refused: the bytes are not what the writer meant
  bool flushed = false;           // closed by its only writer, whose release is on the way
  std::int64_t written_ms = 0;    // steady time of the last byte
};

}  // namespace wfs
