// The members of every public struct that crosses into Python, each listed once: options are read
// from a dict by these names, reports become dicts with them.
#pragma once

#include <trine/plan.h>
#include <trine/trine.h>

namespace trine::python {

template <class Visit>
void visit_fields(EngineOptions& options, Visit&& field) {
  field("threads", options.threads);
  field("isa", options.isa);
}

template <class Visit>
void visit_fields(GenerateOptions& options, Visit&& field) {
  field("max_tokens", options.max_tokens);
  field("temperature", options.temperature);
  field("top_k", options.top_k);
  field("top_p", options.top_p);
  field("min_p", options.min_p);
  field("repetition_penalty", options.repetition_penalty);
  field("seed", options.seed);
}

template <class Visit>
void visit_fields(GenerateReport& report, Visit&& field) {
  field("text", report.text);
  field("finish_reason", report.finish_reason);
  field("prompt_tokens", report.prompt_tokens);
  field("generated_tokens", report.generated_tokens);
  field("prefill_seconds", report.prefill_seconds);
  field("decode_seconds", report.decode_seconds);
}

template <class Visit>
void visit_fields(CalibrateOptions& options, Visit&& field) {
  field("text_files", options.text_files);
  field("output", options.output);
  field("max_tokens", options.max_tokens);
  field("window", options.window);
  field("moments", options.moments);
  field("memory_bytes", options.memory_bytes);
  field("merge", options.merge);
  visit_fields(options.engine, field);
}

template <class Visit>
void visit_fields(UnseenExpert& expert, Visit&& field) {
  field("layer", expert.layer);
  field("expert", expert.expert);
}

template <class Visit>
void visit_fields(CalibrateReport& report, Visit&& field) {
  field("tokens", report.tokens);
  field("windows", report.windows);
  field("window", report.window);
  field("moments", report.moments);
  field("sites", report.sites);
  field("unseen_experts", report.unseen_experts);
  field("bytes_written", report.bytes_written);
  field("seconds", report.seconds);
  field("peak_rss_bytes", report.peak_rss_bytes);
}

template <class Visit>
void visit_fields(PlanOptions& options, Visit&& field) {
  field("preset", options.preset);
  field("bits_per_weight", options.bits_per_weight);
  field("memory_bytes", options.memory_bytes);
  field("allocator", options.allocator);
  field("statistics", options.statistics);
  field("initial_routers", options.initial_routers);
  field("error_table", options.error_table);
  field("rank", options.rank);
  field("rank_scale", options.rank_scale);
  field("compensator", options.compensator);
  field("factor_bits", options.factor_bits);
  field("group_size", options.group_size);
  field("metadata_bits", options.metadata_bits);
  field("attention_bits", options.attention_bits);
  field("unbiased", options.unbiased);
  field("quantizer", options.quantizer);
  field("score", options.score);
  field("levels", options.levels);
  field("seed", options.seed);
  field("threads", options.threads);
  field("allow_nonfinite", options.allow_nonfinite);
}

template <class Visit>
void visit_fields(PlanReport& report, Visit&& field) {
  field("json", report.json);
  field("allocator", report.allocator);
  field("bits_per_weight", report.bits_per_weight);
  field("compressed_matrix_bytes", report.compressed_matrix_bytes);
  field("stored_bytes", report.stored_bytes);
  field("original_bytes", report.original_bytes);
  field("explanation", report.explanation);
  field("allocation_seconds", report.allocation_seconds);
  field("nonfinite_weights", report.nonfinite_weights);
  field("seconds", report.seconds);
}

/// `threads` and `allow_nonfinite` stand in both structs and mean both.
template <class Visit>
void visit_fields(CompressOptions& options, Visit&& field) {
  visit_fields(options.plan, field);
  field("plan_file", options.plan_file);
  field("trace_file", options.trace_file);
  field("resume", options.resume);
  field("threads", options.threads);
  field("allow_nonfinite", options.allow_nonfinite);
}

template <class Visit>
void visit_fields(CompressReport& report, Visit&& field) {
  field("bits_per_weight", report.bits_per_weight);
  field("weight_error", report.weight_error);
  field("compressed_matrix_bytes", report.compressed_matrix_bytes);
  field("stored_bytes", report.stored_bytes);
  field("original_bytes", report.original_bytes);
  field("seconds", report.seconds);
  field("peak_rss_bytes", report.peak_rss_bytes);
  field("nonfinite_weights", report.nonfinite_weights);
  field("nonfinite_tensors", report.nonfinite_tensors);
  field("first_nonfinite_tensor", report.first_nonfinite_tensor);
  field("resumed_matrices", report.resumed_matrices);
}

template <class Visit>
void visit_fields(VerifyReport& report, Visit&& field) {
  field("is_packed", report.is_packed);
  field("num_tensors", report.num_tensors);
  field("checked_bytes", report.checked_bytes);
  field("nonfinite_weights", report.nonfinite_weights);
}

template <class Visit>
void visit_fields(PerplexityOptions& options, Visit&& field) {
  field("text_files", options.text_files);
  field("window", options.window);
  field("stride", options.stride);
  field("reference", options.reference);
  field("split", options.split);
  field("save_reference", options.save_reference);
  field("top_tokens", options.top_tokens);
  visit_fields(options.engine, field);
}

template <class Visit>
void visit_fields(Score& score, Visit&& field) {
  field("value", score.value);
  field("standard_error", score.standard_error);
}

template <class Visit>
void visit_fields(TextReport& report, Visit&& field) {
  field("text_file", report.text_file);
  field("tokens", report.tokens);
  field("scored_tokens", report.scored_tokens);
  field("windows", report.windows);
  field("nll", report.nll);
  field("perplexity", report.perplexity);
  field("kl_divergence", report.kl_divergence);
  field("expert_divergence", report.expert_divergence);
  field("routing_divergence", report.routing_divergence);
  field("kl_divergence_99", report.kl_divergence_99);
  field("largest_kl_divergence", report.largest_kl_divergence);
  field("top1_agreement", report.top1_agreement);
  field("top1_low", report.top1_low);
  field("top1_high", report.top1_high);
  field("routing_agreement", report.routing_agreement);
  field("original_perplexity", report.original_perplexity);
}

template <class Visit>
void visit_fields(PerplexityReport& report, Visit&& field) {
  visit_fields(static_cast<TextReport&>(report), field);
  field("protocol", report.protocol);
  field("window", report.window);
  field("stride", report.stride);
  field("top_tokens", report.top_tokens);
  field("texts", report.texts);
  field("seconds", report.seconds);
  field("peak_rss_bytes", report.peak_rss_bytes);
}

template <class Visit>
void visit_fields(TaskOptions& options, Visit&& field) {
  field("tasks", options.tasks);
  field("data_directory", options.data_directory);
  field("few_shot", options.few_shot);
  field("limit", options.limit);
  field("max_length", options.max_length);
  field("max_generated_tokens", options.max_generated_tokens);
  field("finished_file", options.finished_file);
  field("resume", options.resume);
  visit_fields(options.engine, field);
}

template <class Visit>
void visit_fields(TaskMetric& metric, Visit&& field) {
  field("name", metric.name);
  field("filter", metric.filter);
  field("value", metric.value);
  field("standard_error", metric.standard_error);
  field("higher_is_better", metric.higher_is_better);
}

template <class Visit>
void visit_fields(TaskScores& scores, Visit&& field) {
  field("name", scores.name);
  field("version", scores.version);
  field("few_shot", scores.few_shot);
  field("documents", scores.documents);
  field("is_pooled", scores.is_pooled);
  field("metrics", scores.metrics);
}

template <class Visit>
void visit_fields(TaskReport& report, Visit&& field) {
  field("tasks", report.tasks);
  field("max_length", report.max_length);
  field("seconds", report.seconds);
  field("peak_rss_bytes", report.peak_rss_bytes);
}

}  // namespace trine::python
