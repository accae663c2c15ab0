// What holds for the layout and the blocks of any bytes; aborts when it does not.
#pragma once

#include "base/error.h"
#include "codec/layout.h"
#include "codec/split.h"

namespace wfs {

inline void check_layout(Bytes file, Layout (*parse)(const ByteSource&)) {
  const MemorySource source(file);
  const Layout layout = layout_of(source);
  std::uint64_t covered = 0;
  for (const Segment& segment : layout.segments) {
    expects(segment.range.offset == covered && !segment.range.empty(), "segments cover the file");
    covered = segment.range.end();
  }
  expects(covered == file.size(), "segments reach the end of the file");
  covered = 0;
  for (const PlainBlock& block : split(source, layout)) {
    expects(block.range.offset == covered && !block.range.empty() &&
                block.range.length <= block_size_max,
            "blocks cover the file");
    covered = block.range.end();
  }
  expects(covered == file.size(), "blocks reach the end of the file");
  try {
    parse(source);  // also without its magic
  } catch (const Error& error) {
    expects(error.code() == Errc::invalid,
            "a parser only says that the bytes are not of its format");
  }
}

}  // namespace wfs
