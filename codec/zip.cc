#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "codec/layout.h"
#include "codec/npy.h"
#include "codec/source_reader.h"
#include "codec/torch_pickle.h"

namespace wfs {
namespace {

constexpr std::uint64_t end_record_size = 22;
constexpr std::uint64_t directory_max = 256 * 1024 * 1024;
constexpr std::uint64_t members_max = 1 << 20;

struct Directory {
  Range range;
  std::uint64_t count = 0;
};

struct Member {
  std::string name;
  Range data;
  bool plain = false;  // stored as it is: neither compressed nor encrypted
};

Range checked(Range range, std::uint64_t size) {
  if (range.offset > size || range.length > size - range.offset) {
    fail(Errc::invalid, "the zip archive points past its end");
  }
  return range;
}

// Reads the zip64 end record when the locator before `end_record` says that there is one.
std::optional<Directory> read_zip64(const ByteSource& file, std::uint64_t end_record) {
  if (end_record < 20) return std::nullopt;
  SourceReader locator(file, {end_record - 20, 20});
  if (locator.number<std::uint32_t>() != 0x07064b50) return std::nullopt;
  locator.skip(4);
  const auto record_offset = locator.number<std::uint64_t>();
  SourceReader record(file, checked({record_offset, 56}, file.size()));
  if (record.number<std::uint32_t>() != 0x06064b50) fail(Errc::invalid, "no zip64 end record");
  record.skip(8 + 2 + 2 + 4 + 4 + 8);
  Directory directory;
  directory.count = record.number<std::uint64_t>();
  directory.range.length = record.number<std::uint64_t>();
  directory.range.offset = record.number<std::uint64_t>();
  return directory;
}

Directory find_directory(const ByteSource& file) {
  const std::uint64_t size = file.size();
  if (size < end_record_size) fail(Errc::invalid, "the zip archive has no end record");
  Buffer tail(static_cast<std::size_t>(std::min<std::uint64_t>(size, end_record_size + 0xffff)));
  file.read(size - tail.size(), tail);
  for (std::size_t at = tail.size() - end_record_size + 1; at-- > 0;) {
    const std::byte* const record = tail.data() + at;
    if (load_le<std::uint32_t>(record) != 0x06054b50) continue;
    if (at + end_record_size + load_le<std::uint16_t>(record + 20) != tail.size()) continue;
    if (const auto large = read_zip64(file, size - tail.size() + at)) return *large;
    return {{load_le<std::uint32_t>(record + 16), load_le<std::uint32_t>(record + 12)},
            load_le<std::uint16_t>(record + 10)};
  }
  fail(Errc::invalid, "the zip archive has no end record");
}

// Replaces the 32-bit fields that are all ones by those of the zip64 extra field, in its fixed
// order.
void widen(Cursor extra, std::uint64_t& full, std::uint64_t& stored, std::uint64_t& offset) {
  while (extra.left() >= 4) {
    const auto id = extra.number<std::uint16_t>();
    const std::size_t length = extra.number<std::uint16_t>();
    Cursor field(extra.take(std::min(length, extra.left())));
    if (id != 1) continue;
    for (std::uint64_t* value : {&full, &stored, &offset}) {
      if (*value == 0xffffffff && field.left() >= 8) *value = field.number<std::uint64_t>();
    }
    return;
  }
}

Member read_member(const ByteSource& file, SourceReader& directory) {
  if (directory.number<std::uint32_t>() != 0x02014b50) fail(Errc::invalid, "no zip member");
  directory.skip(4);
  const auto flags = directory.number<std::uint16_t>();
  const auto method = directory.number<std::uint16_t>();
  directory.skip(8);
  std::uint64_t stored = directory.number<std::uint32_t>();
  std::uint64_t full = directory.number<std::uint32_t>();
  const auto name_length = directory.number<std::uint16_t>();
  const auto extra_length = directory.number<std::uint16_t>();
  const auto comment_length = directory.number<std::uint16_t>();
  directory.skip(8);
  std::uint64_t offset = directory.number<std::uint32_t>();
  Member member;
  member.name = directory.text(name_length);
  const std::string extra = directory.text(extra_length);
  directory.skip(comment_length);
  widen(Cursor(as_bytes(extra)), full, stored, offset);

  SourceReader local(file, checked({offset, 30}, file.size()));
  if (local.number<std::uint32_t>() != 0x04034b50) fail(Errc::invalid, "no zip member there");
  local.skip(22);
  const std::uint64_t local_name_length = local.number<std::uint16_t>();
  const std::uint64_t local_extra_length = local.number<std::uint16_t>();
  member.data =
      checked({local.position() + local_name_length + local_extra_length, stored}, file.size());
  member.plain = method == 0 && (flags & 1) == 0 && full == stored;
  return member;
}

std::vector<Member> read_members(const ByteSource& file) {
  const Directory directory = find_directory(file);
  if (directory.count > members_max || directory.range.length > directory_max) {
    fail(Errc::invalid, "the zip archive has too many members");
  }
  SourceReader reader(file, checked(directory.range, file.size()));
  std::vector<Member> members;
  for (std::uint64_t i = 0; i < directory.count; ++i) members.push_back(read_member(file, reader));
  return members;
}

// The folder of a PyTorch archive: the one with data.pkl in it.
std::optional<std::string> torch_folder(const std::vector<Member>& members) {
  for (const Member& member : members) {
    if (member.name.ends_with("/data.pkl")) {
      return member.name.substr(0, member.name.size() - std::string_view("data.pkl").size());
    }
  }
  return std::nullopt;
}

bool is_storage(std::string_view name, std::string_view folder) {
  if (!name.starts_with(folder)) return false;
  name.remove_prefix(folder.size());
  if (!name.starts_with("data/")) return false;
  name.remove_prefix(5);
  return !name.empty() && name.find_first_not_of("0123456789") == name.npos;
}

using Storages = std::unordered_map<std::string, Tensor>;

// What the pickle of the archive says of its storages; nothing where it cannot be read.
Storages storages_of(const ByteSource& file, const std::vector<Member>& members,
                     const std::string& folder) {
  const auto bytes_of = [&](std::string_view name) {
    Buffer bytes;
    for (const Member& member : members) {
      if (member.name != folder + std::string(name)) continue;
      if (!member.plain || member.data.length > torch_pickle_max) continue;
      bytes.resize(static_cast<std::size_t>(member.data.length));
      file.read(member.data.offset, bytes);
    }
    return bytes;
  };
  if (as_text(bytes_of("byteorder")) == "big") return {};
  return torch_storages(bytes_of("data.pkl"));
}

// A storage that the pickle does not name, or names with another length, is bytes of unknown type:
// encode() finds the width of its numbers.
Tensor storage_of(const Member& member, const Storages& storages) {
  const auto known = storages.find(member.name.substr(member.name.rfind('/') + 1));
  if (known != storages.end()) {
    std::uint64_t bits = bits_of(known->second.dtype);
    bool fits = true;
    for (const std::uint64_t size : known->second.shape) {
      fits = fits && !__builtin_mul_overflow(bits, size, &bits);
    }
    if (fits && bits % 8 == 0 && bits / 8 == member.data.length) {
      Tensor tensor = known->second;
      if (tensor.name.empty()) tensor.name = member.name;
      return tensor;
    }
  }
  return {member.name, Dtype::opaque, {member.data.length}};
}

// The array inside a member of an npz, if it is one of a known type.
std::optional<NpyArray> array_of(const ByteSource& file, const Member& member) {
  try {
    NpyArray array = read_npy(file, member.data);
    array.tensor.name = member.name.substr(0, member.name.size() - std::string_view(".npy").size());
    return array;
  } catch (const Error& error) {
    if (error.code() != Errc::invalid) throw;
    return std::nullopt;
  }
}

bool is_npz(const std::vector<Member>& members) {
  return !members.empty() && std::all_of(members.begin(), members.end(), [](const Member& member) {
    return member.name.ends_with(".npy");
  });
}

}  // namespace

Layout parse_zip(const ByteSource& file) {
  const std::vector<Member> members = read_members(file);
  const auto folder = torch_folder(members);
  if (!folder && !is_npz(members))
    fail(Errc::invalid, "a zip archive of neither PyTorch nor NumPy");

  const Storages storages = folder ? storages_of(file, members, *folder) : Storages();
  Layout layout;
  layout.format = folder ? Format::torch_zip : Format::npz;
  std::vector<Segment> found;
  for (const Member& member : members) {
    if (member.data.empty()) {
      if (folder && is_storage(member.name, *folder)) {
        layout.empty_tensors.push_back(storage_of(member, storages));
      }
    } else if (!member.plain) {
      found.push_back({member.data, {}});
    } else if (folder) {
      const bool storage = is_storage(member.name, *folder);
      found.push_back({member.data, storage ? std::optional(storage_of(member, storages)) : std::nullopt});
    } else if (auto array = array_of(file, member)) {
      if (array->data.empty()) {
        layout.empty_tensors.push_back(std::move(array->tensor));
      } else {
        found.push_back({array->data, std::move(array->tensor)});
      }
    } else {
      found.push_back({member.data, {}});
    }
  }
  layout.segments = cover(file.size(), std::move(found));
  return layout;
}

}  // namespace wfs
