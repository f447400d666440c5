// As fields.h, of the large reports: inspection and certificate.
#pragma once

#include <trine/certify.h>
#include <trine/inspect.h>
#include "fields.h"

namespace trine::python {

template <class Visit>
void visit_fields(MatrixPlace& place, Visit&& field) {
  field("is_encoder", place.is_encoder);
  field("layer", place.layer);
  field("expert", place.expert);
  field("projection", place.projection);
}

template <class Visit>
void visit_fields(MatrixInspection& matrix, Visit&& field) {
  field("name", matrix.name);
  field("role", matrix.role);
  field("out_features", matrix.out_features);
  field("in_features", matrix.in_features);
  field("type", matrix.type);
  field("bits", matrix.bits);
  field("group_size", matrix.group_size);
  field("metadata_bits", matrix.metadata_bits);
  field("quantizer", matrix.quantizer);
  field("rank", matrix.rank);
  field("factor_bits", matrix.factor_bits);
  field("weight_error", matrix.weight_error);
  field("stored_bytes", matrix.stored_bytes);
  field("codes_bytes", matrix.codes_bytes);
  field("scales_bytes", matrix.scales_bytes);
  field("factors_bytes", matrix.factors_bytes);
  field("place", matrix.place);
}

template <class Visit>
void visit_fields(RoleInspection& role, Visit&& field) {
  field("role", role.role);
  field("num_matrices", role.num_matrices);
  field("num_weights", role.num_weights);
  field("stored_bytes", role.stored_bytes);
}

template <class Visit>
void visit_fields(CompressionInspection& compression, Visit&& field) {
  field("preset", compression.preset);
  field("allocator", compression.allocator);
  field("budget_bits_per_weight", compression.budget_bits_per_weight);
  field("budget_bytes", compression.budget_bytes);
  field("bits_per_weight", compression.bits_per_weight);
  field("weight_error", compression.weight_error);
  field("original_bytes", compression.original_bytes);
  field("trine_version", compression.trine_version);
}

template <class Visit>
void visit_fields(ModelInspection& model, Visit&& field) {
  field("family", model.family);
  field("num_parameters", model.num_parameters);
  field("active_parameters", model.active_parameters);
  field("stored_bytes", model.stored_bytes);
  field("hidden_size", model.hidden_size);
  field("num_hidden_layers", model.num_hidden_layers);
  field("num_encoder_layers", model.num_encoder_layers);
  field("num_attention_heads", model.num_attention_heads);
  field("num_key_value_heads", model.num_key_value_heads);
  field("head_dim", model.head_dim);
  field("num_experts", model.num_experts);
  field("experts_per_token", model.experts_per_token);
  field("moe_intermediate_size", model.moe_intermediate_size);
  field("vocab_size", model.vocab_size);
  field("max_position_embeddings", model.max_position_embeddings);
  field("compression", model.compression);
  field("roles", model.roles);
  field("matrices", model.matrices);
}

template <class Visit>
void visit_fields(CertifyOptions& options, Visit&& field) {
  field("reference", options.reference);
  field("text_file", options.text_file);
  field("window", options.window);
  field("probability", options.probability);
  field("tokens", options.tokens);
  visit_fields(options.engine, field);
}

template <class Visit>
void visit_fields(ChangeReport& change, Visit&& field) {
  field("tokens", change.tokens);
  field("mean_bound", change.mean_bound);
  field("largest_bound", change.largest_bound);
  field("largest_ratio", change.largest_ratio);
  field("exceeded", change.exceeded);
  field("mean_observed", change.mean_observed);
  field("largest_observed", change.largest_observed);
  field("mean_size", change.mean_size);
}

template <class Visit>
void visit_fields(DecisionReport& decision, Visit&& field) {
  field("tokens", decision.tokens);
  field("certified", decision.certified);
  field("broken", decision.broken);
  field("flips", decision.flips);
}

template <class Visit>
void visit_fields(AgreementReport& agreement, Visit&& field) {
  field("mean", agreement.mean);
  field("drawn_agreeing", agreement.drawn_agreeing);
  field("at_least_binomial", agreement.at_least_binomial);
  field("at_least_hoeffding", agreement.at_least_hoeffding);
  field("at_least", agreement.at_least);
}

template <class Visit>
void visit_fields(CertifiedLayer& layer, Visit&& field) {
  field("attention", layer.attention);
  field("experts", layer.experts);
  field("stream", layer.stream);
  field("routing_local", layer.routing_local);
  field("routing_next", layer.routing_next);
  field("routing_full", layer.routing_full);
}

template <class Visit>
void visit_fields(CertificateReport& report, Visit&& field) {
  field("window", report.window);
  field("probability", report.probability);
  field("tokens", report.tokens);
  field("windows", report.windows);
  field("rows_per_window", report.rows_per_window);
  field("groups", report.groups);
  field("clipped_groups", report.clipped_groups);
  field("row_outputs", report.row_outputs);
  field("row_exceeded", report.row_exceeded);
  field("layers", report.layers);
  field("logits_local", report.logits_local);
  field("logits_full", report.logits_full);
  field("top1_local", report.top1_local);
  field("top1_full", report.top1_full);
  field("top1_agreement", report.top1_agreement);
  field("routing_agreement", report.routing_agreement);
  field("windows_exceeding", report.windows_exceeding);
  field("violations", report.violations);
  field("seconds", report.seconds);
  field("peak_rss_bytes", report.peak_rss_bytes);
}

}  // namespace trine::python
