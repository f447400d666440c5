// From messages to the prompt a model expects. The one place that knows about chat templates.
#pragma once

#include <trine/serving.h>

#include <memory>
#include <string>

#include "server/generation_body.h"

namespace trine::server {

/// The prompt's text.
[[nodiscard]] Parsed<std::string> render_chat(const Service& service, const ChatBody& chat);

/// Its token ids: of a template's text without special tokens added, since it writes them itself.
[[nodiscard]] Parsed<std::vector<std::int32_t>> encode_chat(const Service& service,
                                                            const ChatBody& chat);

/// What restricts each of the n answers to the wanted format; null: nothing.
[[nodiscard]] Parsed<std::vector<std::shared_ptr<TokenFilter>>> filters_for(
    const Service& service, const ChatBody& chat);

}  // namespace trine::server
