// POST /v1/completions and POST /v1/chat/completions.
#pragma once

#include <trine/serving.h>

#include <memory>
#include <vector>

#include "server/body_fields.h"
#include "server/http_exchange.h"
#include "server/server_state.h"

namespace trine::server {

inline constexpr std::size_t kMostScores = 2'000'000;

/// The scores of answers are kept until the last ends, and take about 60 bytes each when they are
/// written: refuses more than kMostScores, but for one answer alone, which the context bounds.
[[nodiscard]] Parsed<bool> check_scores(std::size_t context_length,
                                        const std::vector<GenerationRequest>& requests);

void handle_completion(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                       const HttpRequest& request);
void handle_chat(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                 const HttpRequest& request);

}  // namespace trine::server
