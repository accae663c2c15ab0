// Small files of every format, built byte by byte, and bytes that look like weights. For tests
// only.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/wire.h"
#include "codec/layout.h"

namespace wfs {

// A generator whose seed is printed with every failure of the test that made it.
class Random : public std::mt19937_64 {
 public:
  explicit Random(std::uint64_t seed)
      : std::mt19937_64(seed), trace_(__FILE__, __LINE__, cat("seed ", seed)) {}

  std::size_t below(std::size_t end) { return static_cast<std::size_t>((*this)() % end); }

  Buffer bytes(std::size_t count) {
    Buffer bytes(count);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>((*this)());
    return bytes;
  }

  // Weights of a trained matrix: normal, with a scale of their own for each row.
  std::vector<float> weights(std::size_t count) {
    std::normal_distribution<float> normal(0.0F, 0.02F);
    std::vector<float> weights(count);
    for (float& weight : weights) weight = normal(*this);
    return weights;
  }

 private:
  testing::ScopedTrace trace_;
};

inline Buffer bytes_of(const std::vector<float>& numbers) {
  Buffer bytes(numbers.size() * 4);
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

inline Buffer as_bf16(const std::vector<float>& numbers) {
  Buffer bytes;
  for (const float number : numbers) {
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    append_le(bytes, static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16));
  }
  return bytes;
}

inline Buffer as_f16(const std::vector<float>& numbers) {
  Buffer bytes;
  for (const float number : numbers) {
    int exponent = 0;
    const float fraction = std::frexp(std::fabs(number), &exponent);
    std::uint32_t half = 0;  // to zero below the normal numbers
    if (number != 0 && exponent > -14) {
      half = static_cast<std::uint32_t>(std::lround((fraction * 2 - 1) * 1024)) +
             (static_cast<std::uint32_t>(exponent + 14) << 10);
    }
    if (std::signbit(number)) half |= 0x8000;
    append_le(bytes, static_cast<std::uint16_t>(half));
  }
  return bytes;
}

inline Buffer safetensors_file(std::string_view header, std::size_t data_bytes) {
  Buffer file;
  append_le(file, std::uint64_t{header.size()});
  append_bytes(file, as_bytes(header));
  file.resize(file.size() + data_bytes, std::byte{7});
  return file;
}

inline Buffer npy_file(std::string_view header, Bytes data, unsigned version = 1) {
  Buffer file;
  append_bytes(file, as_bytes("\x93NUMPY"));
  append_le(file, static_cast<std::uint8_t>(version));
  append_le(file, std::uint8_t{0});
  if (version == 1) {
    append_le(file, static_cast<std::uint16_t>(header.size()));
  } else {
    append_le(file, static_cast<std::uint32_t>(header.size()));
  }
  append_bytes(file, as_bytes(header));
  append_bytes(file, data);
  return file;
}

enum class Zip64 { no, yes };

// A zip archive written member by member, as PyTorch and NumPy write theirs.
class ZipWriter {
 public:
  explicit ZipWriter(Zip64 zip64 = Zip64::no) : zip64_(zip64) {}

  void add(std::string_view name, Bytes data, unsigned method = 0, unsigned flags = 0) {
    const std::uint64_t offset = file.size();
    append_le(file, std::uint32_t{0x04034b50});
    append_common(file, method, flags);
    append_sizes(file, data.size());
    append_le(file, static_cast<std::uint16_t>(name.size()));
    append_le(file, std::uint16_t{8});
    append_bytes(file, as_bytes(name));
    append_bytes(file, as_bytes(std::string_view("FB\4\0ZZZZ", 8)));
    append_bytes(file, data);

    append_le(directory_, std::uint32_t{0x02014b50});
    append_le(directory_, std::uint16_t{0});
    append_common(directory_, method, flags);
    append_sizes(directory_, data.size());
    append_le(directory_, static_cast<std::uint16_t>(name.size()));
    append_le(directory_,
              std::uint16_t{zip64_ == Zip64::yes ? std::uint16_t{28} : std::uint16_t{0}});
    append_le(directory_, std::uint16_t{0});
    append_le(directory_, std::uint64_t{0});
    append_le(directory_,
              zip64_ == Zip64::yes ? ~std::uint32_t{0} : static_cast<std::uint32_t>(offset));
    append_bytes(directory_, as_bytes(name));
    if (zip64_ == Zip64::yes) {
      append_le(directory_, std::uint16_t{1});
      append_le(directory_, std::uint16_t{24});
      append_le(directory_, std::uint64_t{data.size()});
      append_le(directory_, std::uint64_t{data.size()});
      append_le(directory_, offset);
    }
    ++count_;
  }

  Buffer finish(std::string_view comment = "") {
    const std::uint64_t start = file.size();
    append_bytes(file, directory_);
    if (zip64_ == Zip64::yes) {
      const std::uint64_t record = file.size();
      append_le(file, std::uint32_t{0x06064b50});
      append_le(file, std::uint64_t{44});
      append_le(file, std::uint32_t{0});
      append_le(file, std::uint64_t{0});
      append_le(file, count_);
      append_le(file, count_);
      append_le(file, std::uint64_t{directory_.size()});
      append_le(file, start);
      append_le(file, std::uint32_t{0x07064b50});
      append_le(file, std::uint32_t{0});
      append_le(file, record);
      append_le(file, std::uint32_t{1});
    }
    const bool large = zip64_ == Zip64::yes;
    append_le(file, std::uint32_t{0x06054b50});
    append_le(file, std::uint32_t{0});
    append_le(file, large ? std::uint16_t{0xffff} : static_cast<std::uint16_t>(count_));
    append_le(file, large ? std::uint16_t{0xffff} : static_cast<std::uint16_t>(count_));
    append_le(file, large ? ~std::uint32_t{0} : static_cast<std::uint32_t>(directory_.size()));
    append_le(file, large ? ~std::uint32_t{0} : static_cast<std::uint32_t>(start));
    append_le(file, static_cast<std::uint16_t>(comment.size()));
    append_bytes(file, as_bytes(comment));
    return std::move(file);
  }

  Buffer file;

 private:
  static void append_common(Buffer& to, unsigned method, unsigned flags) {
    append_le(to, std::uint16_t{20});
    append_le(to, static_cast<std::uint16_t>(flags));
    append_le(to, static_cast<std::uint16_t>(method));
    append_le(to, std::uint64_t{0});  // time, date, checksum
  }

  void append_sizes(Buffer& to, std::size_t size) const {
    const auto shown = zip64_ == Zip64::yes ? ~std::uint32_t{0} : static_cast<std::uint32_t>(size);
    append_le(to, shown);
    append_le(to, shown);
  }

  Zip64 zip64_;
  std::uint64_t count_ = 0;
  Buffer directory_;
};

// Fails the test unless the segments cover `size` bytes in order, without hole, overlap or empty
// one.
inline void expect_covers(const Layout& layout, std::uint64_t size) {
  std::uint64_t covered = 0;
  for (const Segment& segment : layout.segments) {
    EXPECT_EQ(segment.range.offset, covered);
    EXPECT_FALSE(segment.range.empty());
    covered = segment.range.end();
  }
  EXPECT_EQ(covered, size);
}

// The tensor with its range, or a failure.
inline Segment segment_of(const Layout& layout, std::string_view name) {
  for (const Segment& segment : layout.segments) {
    if (segment.tensor && segment.tensor->name == name) return segment;
  }
  ADD_FAILURE() << "no tensor " << name;
  return {};
}

}  // namespace wfs
