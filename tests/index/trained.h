// Repositories of made-up training runs: checkpoints whose weights drift a little from one to the next,
// committed under any paths, and what their blocks were based on.
#pragma once

#include <bit>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/wire.h"
#include "index/block_base.h"
#include "index/check.h"
#include "index/content_rows.h"
#include "index/refs.h"
#include "tests/codec/samples.h"
#include "tests/index/example.h"

namespace wfs {

using Values = std::vector<float>;

inline Values random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02F);
  Values values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// As some steps of training leave them: each changed by about `step` of its size.
inline Values drifted(Values values, unsigned seed, float step = 1e-3F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, step);
  for (float& value : values) value += value * normal(random);
  return values;
}

inline Buffer as_f32(const Values& values) {
  Buffer bytes;
  for (const float value : values) append_le(bytes, std::bit_cast<std::uint32_t>(value));
  return bytes;
}

struct FileTensor {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  Buffer bytes;
};

inline Buffer safetensors(const std::vector<FileTensor>& tensors) {
  std::string header = "{";
  std::size_t at = 0;
  for (const FileTensor& tensor : tensors) {
    if (at > 0) header += ',';
    header += cat('"', tensor.name, R"(":{"dtype":")", tensor.dtype, R"(","shape":[)");
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) header += cat(i > 0 ? "," : "", tensor.shape[i]);
    header += cat(R"(],"data_offsets":[)", at, ',', at + tensor.bytes.size(), "]}");
    at += tensor.bytes.size();
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  Buffer file;
  append_le(file, static_cast<std::uint64_t>(header.size()));
  append_bytes(file, as_bytes(header));
  for (const FileTensor& tensor : tensors) append_bytes(file, tensor.bytes);
  return file;
}

inline Buffer model_f32(const Values& values, const std::string& name = "w") {
  return safetensors({{name, "F32", {values.size() / 256, 256}, as_f32(values)}});
}
inline Buffer model_bf16(const Values& values, const std::string& name = "w") {
  return safetensors({{name, "BF16", {values.size() / 256, 256}, as_bf16(values)}});
}

class TrainingRepository : public ExampleRepository {
 protected:
  // Commits exactly these files, by their paths.
  CommitId commit_paths(const std::map<std::string, Buffer>& files) {
    Cut cut;
    cut.branch = "main";
    cut.time_ns = now_ns();
    for (const auto& [file, bytes] : files) add(cut.root, file, bytes);
    return commit(repository(), cut)->id;
  }

  SegmentMap map_of(const Buffer& bytes) {
    return repository().catalog().read(
        [&](Database& database) { return load_segment_map(database, content_of(bytes)); });
  }

  // The blocks of the tensor at place `tensor`, without the ones of the header.
  std::vector<BlockRef> tensor_blocks(const Buffer& bytes, std::size_t tensor = 0) {
    const SegmentMap map = map_of(bytes);
    std::vector<BlockRef> blocks;
    std::size_t seen = 0;
    for (const Segment& segment : map.layout().segments) {
      if (!segment.tensor || seen++ != tensor) continue;
      const auto [first, last] = map.blocks_of(segment.range);
      for (std::size_t i = first; i < last; ++i) blocks.push_back(map.blocks()[i]);
    }
    return blocks;
  }

  // Whether every block of the tensor is a delta for this reason.
  void expect_bases(const Buffer& bytes, BaseReason reason, std::size_t tensor = 0) {
    const auto blocks = tensor_blocks(bytes, tensor);
    ASSERT_FALSE(blocks.empty());
    for (const BlockRef& block : blocks) {
      ASSERT_EQ(block.encoding, Encoding::delta);
      ASSERT_TRUE(block.base);
      EXPECT_EQ(name_of(block.base->reason), name_of(reason));
    }
  }

  void expect_bytes(const std::map<std::string, Buffer>& files) {
    for (const auto& [file, bytes] : files) {
      EXPECT_EQ(bytes_of(content_of(bytes)), bytes) << file;
    }
  }

  void expect_sound() {
    const CheckReport report = check(repository(), CheckDepth::data, nullptr);
    for (const auto& finding : report.findings) {
      ADD_FAILURE() << finding.name << ": " << finding.what;
    }
  }

 private:
  void add(CutFolder& folder, std::string_view file, const Buffer& bytes) {
    const std::size_t slash = file.find('/');
    const std::string name(file.substr(0, slash));
    if (slash == file.npos) {
      CutEntry entry;
      entry.name = name;
      entry.size = bytes.size();
      entry.value = stage(bytes);
      folder.entries.push_back(std::move(entry));
      return;
    }
    for (CutEntry& entry : folder.entries) {
      if (entry.name == name) {
        return add(*std::get<std::unique_ptr<CutFolder>>(entry.value), file.substr(slash + 1), bytes);
      }
    }
    CutEntry entry;
    entry.name = name;
    entry.value = std::make_unique<CutFolder>();
    folder.entries.push_back(std::move(entry));
    add(*std::get<std::unique_ptr<CutFolder>>(folder.entries.back().value), file.substr(slash + 1),
        bytes);
  }
};

}  // namespace wfs
