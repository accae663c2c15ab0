// The two hashes of the project as value types. Hash128 (XXH3-128) names blocks and guards stored
// bytes against accidents; it is not cryptographic. Digest256 (SHA-256, FIPS 180-4) names contents;
// Digest160, its first 160 bits, names trees and commits. Hashers are for one thread each.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace wfs {

struct Hash128 {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const Hash128&) const = default;
};

struct Digest160 {
  std::array<std::byte, 20> bytes{};
  auto operator<=>(const Digest160&) const = default;
};

struct Digest256 {
  std::array<std::byte, 32> bytes{};
  auto operator<=>(const Digest256&) const = default;
};

Hash128 xxh3_128(Bytes bytes) noexcept;
std::uint64_t xxh3_64(Bytes bytes, std::uint64_t seed = 0) noexcept;

Digest256 sha256(Bytes bytes);
Digest160 sha256_cut(Bytes bytes);  // SHA-256 cut to its first 160 bits

// SHA-256 of a stream of bytes.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(Bytes bytes);
  Digest256 finish();  // Requires: not called before on this hasher

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// XXH3-128 of a stream of bytes: what xxh3_128 gives for all of them.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;

  void add(Bytes bytes);
  Hash128 finish() const;  // of what was added until now

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hex(Bytes bytes);
template <std::size_t size>
std::string hex(const std::array<std::byte, size>& bytes) {
  return hex(Bytes(bytes));
}

// The bytes that `digits` (lower or upper case hex, an even number of them) stands for.
std::optional<Buffer> unhex(std::string_view digits);

}  // namespace wfs

template <>
struct std::hash<wfs::Hash128> {
  std::size_t operator()(const wfs::Hash128& id) const noexcept {
    std::size_t value;
    __builtin_memcpy(&value, id.bytes.data(), sizeof value);
    return value;
  }
};
template <>
struct std::hash<wfs::Digest160> {
  std::size_t operator()(const wfs::Digest160& digest) const noexcept {
    std::size_t value;
    __builtin_memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};
template <>
struct std::hash<wfs::Digest256> {
  std::size_t operator()(const wfs::Digest256& digest) const noexcept {
    std::size_t value;
    __builtin_memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};
