// Writes one pack: append records, then seal. Until sealed it is `<name>.new`, which the destructor removes;
// sealed it is durable, has its id for a name, and is never written again. One thread.
#pragma once

#include <vector>

#include "base/file.h"
#include "index/pack.h"

namespace wfs {

class PackWriter {
 public:
  explicit PackWriter(const stdfs::path& folder);
  ~PackWriter();
  PackWriter(PackWriter&&) = delete;

  // Appends a record and says where its payload starts.
  std::uint64_t append(RecordHeader header, Bytes payload);

  std::uint64_t bytes() const noexcept { return offset_; }
  bool empty() const noexcept { return rows_.empty(); }

  // Requires: not empty. The size of the pack is bytes() afterwards.
  PackId seal();

 private:
  void put(Bytes bytes);
  void drain();

  stdfs::path folder_;
  stdfs::path path_;
  Fd file_;
  Buffer pending_;            // not written yet
  std::uint64_t offset_ = 0;  // of the next byte
  std::vector<FooterRow> rows_;
  bool sealed_ = false;
};

}  // namespace wfs
