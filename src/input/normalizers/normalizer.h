// Rewriting of text before it is cut into tokens.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "input/json_part.h"

namespace trine::input {

/// Rewrites one stretch of text between two added tokens. Stateless, so one instance serves
/// all threads. The text is valid UTF-8 before and after, and not empty before.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(std::string& text) const = 0;
  /// A text becomes at most so many times longer; 1 also stands for the Unicode forms' 11.
  [[nodiscard]] virtual std::size_t growth() const { return 1; }
};

/// Applied one after the other.
using Normalizers = std::vector<std::unique_ptr<const Normalizer>>;

/// Reads one part of tokenizer.json and appends what it stands for.
using NormalizerReader = Status(const JsonPart& part, Normalizers& normalizers);

/// Reads "normalizer", or one within a Sequence. kUnsupported lists the known types.
NormalizerReader read_normalizer;

/// `text` (which may be empty, and then stays so) after all of `normalizers`.
[[nodiscard]] std::string normalize(const Normalizers& normalizers, std::string_view text);

}  // namespace trine::input
