// Reads a sealed pack from end to end, for check and rebuild: by its footer, or, when that is damaged, from
// record to record. Throws only what reading the file throws. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "index/pack.h"

namespace wfs {

struct PackContents {
  std::optional<PackId> id;       // from the footer; none: the footer is damaged
  std::uint64_t size = 0;
  std::vector<FooterRow> rows;    // all records that could be found
  std::string damage;             // what is wrong with header, footer or trailer; empty: nothing
};

PackContents scan_pack(const Fd& pack);

// The payload of a record, its checksum verified. Throws Errc::corrupt.
Buffer read_payload(const Fd& pack, const FooterRow& row);
// The decoded bytes of a record that is no block (tree, commit, content). Throws Errc::corrupt.
Buffer read_record(const Fd& pack, const FooterRow& row);

}  // namespace wfs
