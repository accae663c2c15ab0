#include "index/pack_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <random>

#include "base/error.h"
#include "base/fault.h"

namespace wfs {
namespace {

constexpr std::size_t pending_bytes_max = 1 << 20;

stdfs::path new_path(const stdfs::path& folder) {
  std::random_device random;
  return folder / cat(static_cast<std::uint64_t>(random()), '-', ::getpid(), ".new");
}

// What was written is read back before anything relies on it.
void verify_footer(const Fd& file, std::uint64_t size, const std::vector<FooterRow>& rows) {
  Buffer tail(pack_trailer_bytes);
  read_exactly(file, size - tail.size(), tail);
  const Range range = footer_range(tail, size);
  Buffer footer(range.length);
  read_exactly(file, range.offset, footer);
  if (footer_of(footer, tail).rows != rows) {
    fail(Errc::io, "a pack did not read back as it was written; check the disk");
  }
}

}  // namespace

PackWriter::PackWriter(const stdfs::path& folder)
    : folder_(folder),
      path_(new_path(folder)),
      file_(open_file(path_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)) {
  put(bytes_of_pack_header());
}

PackWriter::~PackWriter() {
  if (!sealed_) ::unlink(path_.c_str());
}

void PackWriter::put(Bytes bytes) {
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  offset_ += bytes.size();
  if (pending_.size() >= pending_bytes_max) drain();
}

void PackWriter::drain() {
  write_fully(file_, offset_ - pending_.size(), pending_);
  start_writing(file_, {offset_ - pending_.size(), pending_.size()});  // seal() has less to wait for
  pending_.clear();
}

std::uint64_t PackWriter::append(RecordHeader header, Bytes payload) {
  fault_point("pack.before_append");
  header.payload_length = static_cast<std::uint32_t>(payload.size());
  put(bytes_of(header, payload));
  rows_.push_back({offset_, header});
  put(payload);
  return rows_.back().offset;
}

PackId PackWriter::seal() {
  expects(!rows_.empty(), "an empty pack is not sealed");
  put(bytes_of_footer(rows_, offset_));
  drain();
  fault_point("pack.before_seal");
  verify_footer(file_, offset_, rows_);
  Buffer tail(pack_trailer_bytes);
  read_exactly(file_, offset_ - tail.size(), tail);
  PackId id;
  std::copy_n(tail.begin() + 16, 16, id.hash.bytes.begin());
  publish(file_, path_, folder_ / (hex(id) + ".pack"));
  sealed_ = true;
  fault_point("pack.after_seal");
  return id;
}

}  // namespace wfs
