// Extended attributes: a program's own, kept and committed, and user.weightfs.*, which say what the
// repository knows of a file and cannot be set.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "fs/filesystem.h"
#include "index/commit_rows.h"
#include "index/content_rows.h"
#include "index/segment_map.h"

namespace wfs {
namespace {

constexpr std::string_view own_prefix = "user.weightfs.";
constexpr std::string_view commit_name = "user.weightfs.commit";
constexpr std::string_view sha256_name = "user.weightfs.sha256";
constexpr std::string_view stored_name = "user.weightfs.stored";
constexpr std::string_view tensors_name = "user.weightfs.tensors";
constexpr std::size_t value_max = 65536;  // the kernel's bound

}  // namespace

// [["NAME","DTYPE",[SHAPE]],...]; ends with "..." when there is no room for all. Known once it is packed.
std::optional<std::string> FileSystem::tensors_of(const ContentId& content) {
  const auto bytes = repository_.contents().open(content);
  const auto* packed = dynamic_cast<const PackedContent*>(bytes.get());
  if (!packed) return std::nullopt;
  const Layout& layout = packed->map().layout();
  constexpr std::string_view cut_end = "\"...\"]";
  std::string text = "[";
  bool full = false;
  const auto add = [&](const Tensor& tensor) {
    if (full) return;
    const nlohmann::json json = {tensor.name, std::string(name_of(tensor.dtype)), tensor.shape};
    const std::string one = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    full = text.size() + one.size() + cut_end.size() + 2 > value_max;
    text += full ? std::string(cut_end) : one + ',';
  };
  for (const Segment& segment : layout.segments) {
    if (segment.tensor) add(*segment.tensor);
  }
  for (const Tensor& tensor : layout.empty_tensors) add(tensor);
  if (full) return text;
  if (text.back() == ',') text.pop_back();
  return text + ']';
}

std::optional<std::string> FileSystem::content_xattr(const ContentId& content,
                                                     std::string_view name) {
  if (name == sha256_name) return hex(content);
  if (name == tensors_name) return tensors_of(content);
  if (name != stored_name) return std::nullopt;
  const auto row = repository_.catalog().read(
      [&](Database& database) { return find_content(database, content); });
  if (!row || row->staged != StagedId::none) return std::nullopt;
  return std::to_string(row->stored_bytes);
}

std::optional<std::string> FileSystem::xattr(Ino ino, std::string_view name) {
  // The kernel asks for security.* before every write; nothing but user.* is kept.
  if (!name.starts_with("user.")) return std::nullopt;
  const Place place = place_of(ino);
  if (place == Place::commit) {
    const auto node = snapshots_.find(ino);
    if (name == commit_name) return hex(node->commit);
    if (name.starts_with(own_prefix)) {
      if (node->entry.kind != Kind::file) return std::nullopt;
      return content_xattr(node->entry.content, name);
    }
    const auto found = node->entry.xattrs.find(name);
    if (found == node->entry.xattrs.end()) return std::nullopt;
    return found->second;
  }
  if (place != Place::working) return std::nullopt;
  const auto owner = working(ino);
  if (!name.starts_with(own_prefix)) return owner->xattr(node_of(ino), name);
  if (name == commit_name && owner->root() == node_of(ino)) {
    const auto ref = repository_.catalog().read(
        [&](Database& database) { return find_ref(database, owner->branch()); });
    if (!ref || !ref->tip) return std::nullopt;
    return hex(*ref->tip);
  }
  const auto content = owner->content_of(node_of(ino));
  if (!content) return std::nullopt;
  return content_xattr(*content, name);
}

std::vector<std::string> FileSystem::xattrs(Ino ino) {
  const Place place = place_of(ino);
  if (place == Place::working) return working(ino)->xattrs(node_of(ino));
  std::vector<std::string> names;
  if (place != Place::commit) return names;
  const auto node = snapshots_.find(ino);
  for (const auto& [name, value] : node->entry.xattrs) names.push_back(name);
  // The others are found when asked for: whether there is one takes reading the file.
  names.emplace_back(commit_name);
  if (node->entry.kind == Kind::file) names.emplace_back(sha256_name);
  return names;
}

void FileSystem::set_xattr(Ino ino, std::string_view name, std::string_view value,
                           Working::XattrMode mode) {
  const auto owner = changeable(ino);
  if (!name.starts_with("user.")) fail(Errc::unsupported, cat(name, " is not kept here"));
  if (name == "user.") fail(Errc::invalid, "an attribute has a name");
  // Copying a file out of a commit brings them along; they are true again once it is committed.
  if (name.starts_with(own_prefix)) return;
  owner->set_xattr(node_of(ino), name, value, mode);
}

void FileSystem::remove_xattr(Ino ino, std::string_view name) {
  const auto owner = changeable(ino);
  if (!name.starts_with("user.")) fail(Errc::no_attribute, cat(name, " is not kept here"));
  if (name.starts_with(own_prefix)) fail(Errc::not_permitted, cat(name, " cannot be removed"));
  owner->remove_xattr(node_of(ino), name);
}

}  // namespace wfs
