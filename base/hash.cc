#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <cstring>

#include "base/error.h"

namespace wfs {

namespace {

Hash128 hash_of(XXH128_hash_t value) noexcept {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, value);
  Hash128 hash;
  std::memcpy(hash.bytes.data(), canonical.digest, hash.bytes.size());
  return hash;
}

}  // namespace

Hash128 xxh3_128(Bytes bytes) noexcept {
  return hash_of(XXH3_128bits(bytes.data(), bytes.size()));
}

std::uint64_t xxh3_64(Bytes bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                  &EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (!state_->context || EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) {
    fail(Errc::io, "SHA-256 could not be started");
  }
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(Bytes bytes) {
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) {
    fail(Errc::io, "SHA-256 failed");
  }
}

Digest256 Sha256::finish() {
  Digest256 digest;
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(state_->context.get(),
                         reinterpret_cast<unsigned char*>(digest.bytes.data()), &length) != 1) {
    fail(Errc::io, "SHA-256 failed");
  }
  expects(length == digest.bytes.size(), "SHA-256 gives 32 bytes");
  return digest;
}

Digest256 sha256(Bytes bytes) {
  Sha256 hasher;
  hasher.add(bytes);
  return hasher.finish();
}

Digest160 sha256_cut(Bytes bytes) {
  const Digest256 whole = sha256(bytes);
  Digest160 cut;
  std::memcpy(cut.bytes.data(), whole.bytes.data(), cut.bytes.size());
  return cut;
}

struct Xxh3::State {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state{XXH3_createState(),
                                                                &XXH3_freeState};
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) {
  if (!state_->state || XXH3_128bits_reset(state_->state.get()) != XXH_OK) {
    fail(Errc::io, "XXH3 could not be started");
  }
}

Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;

void Xxh3::add(Bytes bytes) {
  if (XXH3_128bits_update(state_->state.get(), bytes.data(), bytes.size()) != XXH_OK) {
    fail(Errc::io, "XXH3 failed");
  }
}

Hash128 Xxh3::finish() const { return hash_of(XXH3_128bits_digest(state_->state.get())); }

std::string hex(Bytes bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

namespace {

int value_of_digit(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<Buffer> unhex(std::string_view digits) {
  if (digits.size() % 2 != 0) return std::nullopt;
  Buffer bytes;
  bytes.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = value_of_digit(digits[i]);
    const int low = value_of_digit(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return bytes;
}

}  // namespace wfs
