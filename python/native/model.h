// A model with its tokenizer, for Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <trine/engine.h>

namespace trine::python {

namespace py = pybind11;

/// Calls from several threads wait for each other; Ctrl-C ends the waiting.
class Model {
 public:
  Model(const std::string& path, const py::dict& options);

  [[nodiscard]] bool has_encoder() const noexcept { return model_.has_encoder(); }

  /// `on_text` is None or takes pieces of text; what it raises ends the text. A GenerateReport.
  [[nodiscard]] py::object generate(const std::string& prompt, const py::dict& options,
                                    const py::object& on_text);

  /// float32 [positions, vocab_size], not copied.
  [[nodiscard]] py::array_t<float> logits(const std::vector<std::int32_t>& token_ids,
                                          const std::vector<std::int32_t>& encoder_token_ids);

  [[nodiscard]] std::vector<std::int32_t> tokenize(const std::string& text,
                                                   bool add_special_tokens) const;
  /// Bytes of UTF-8 as a str.
  [[nodiscard]] std::string detokenize(const std::vector<std::int32_t>& token_ids,
                                       bool skip_special_tokens) const;

 private:
  class Turn;

  TextModel model_;
  std::timed_mutex mutex_{};
  std::atomic<std::thread::id> busy_thread_{};
};

}  // namespace trine::python
