// Tokenizers and texts that several tests of src/input share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/random.h"
#include "input/tokenizer.h"
#include "support/temporary_directory.h"

namespace trine::testing_support {

/// The trained model that lies in the repository; tests run in its root.
inline const std::filesystem::path kGoldenTokenizers = "tests/golden/tokenizer";
inline const std::filesystem::path kTinyMixtral = "models/tiny-mixtral";

/// The tokenizer of a directory. Throws, and so fails the test, when it cannot be opened.
inline std::unique_ptr<input::Tokenizer> open_or_throw(const std::filesystem::path& directory) {
  auto tokenizer = input::open_tokenizer(directory);
  if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
  return std::move(*tokenizer);
}

/// A directory with the tokenizer.model of kTinyMixtral and no tokenizer.json. `config` is the
/// content of its tokenizer_config.json; empty for no such file.
inline void fill_with_tokenizer_model(const std::filesystem::path& directory,
                                      std::string_view config) {
  std::filesystem::copy_file(kTinyMixtral / "tokenizer.model", directory / "tokenizer.model");
  if (!config.empty()) write_file(directory / "tokenizer_config.json", config);
}

inline void append_utf8(std::string& text, std::uint32_t code_point) {
  const auto byte = [&](std::uint32_t value) { text += static_cast<char>(value); };
  if (code_point < 0x80) return byte(code_point);
  if (code_point < 0x800) {
    byte(0xC0 | (code_point >> 6));
  } else {
    if (code_point < 0x10000) {
      byte(0xE0 | (code_point >> 12));
    } else {
      byte(0xF0 | (code_point >> 18));
      byte(0x80 | ((code_point >> 12) & 0x3F));
    }
    byte(0x80 | ((code_point >> 6) & 0x3F));
  }
  byte(0x80 | (code_point & 0x3F));
}

inline std::uint32_t below(base::Random& random, std::uint32_t limit) {
  return static_cast<std::uint32_t>(random.next() % limit);
}

/// One character: half of the time from a few that words are made of, else from anywhere.
inline std::uint32_t random_character(base::Random& random) {
  constexpr std::string_view kFrequent = "the of and  in to a\n.,";
  switch (below(random, 6)) {
    case 0: return below(random, 0x80);
    case 1: return below(random, 0x800);
    case 2: {
      const std::uint32_t code_point = below(random, 0x110000 - 0x800);
      return code_point < 0xD800 ? code_point : code_point + 0x800;  // no surrogates
    }
    default:
      return static_cast<unsigned char>(
          kFrequent[below(random, static_cast<std::uint32_t>(kFrequent.size()))]);
  }
}

/// Valid UTF-8 of 0 to 39 characters; never U+2581, which the tokenizer writes for a space.
inline std::string random_text(base::Random& random) {
  std::string text;
  for (std::uint32_t left = below(random, 40); left > 0; --left) {
    const std::uint32_t code_point = random_character(random);
    if (code_point != 0x2581) append_utf8(text, code_point);
  }
  return text;
}

}  // namespace trine::testing_support
