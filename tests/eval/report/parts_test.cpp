// Text, numbers, colours and the trace: the parts of a report.
#include <gtest/gtest.h>

#include <limits>

#include "eval/report/heat_map.h"
#include "eval/report/html_text.h"
#include "eval/report/model_maps.h"
#include "eval/report/report_fixture.h"
#include "eval/report/trace_file.h"
#include "support/expect_error.h"

namespace trine::eval::report {
namespace {

using testing_support::expect_error;
using testing_support::full_data;
using testing_support::sentence;

TEST(EscapeHtml, NamesEveryCharacterThatMeansSomething) {
  EXPECT_EQ(escape_html("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escape_html("größe 模型 🦙"), "größe 模型 🦙");
}

TEST(EscapeHtml, ReplacesWhatIsNoTextOrCannotBeSeen) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(escape_html("a\xFFz"), "a" + r + "z");
  EXPECT_EQ(escape_html("\xC0\xAF"), r + r);          // "/" in two bytes
  EXPECT_EQ(escape_html("\xED\xA0\x80"), r + r + r);  // a surrogate
  EXPECT_EQ(escape_html("\xE2\x82"), r + r);          // cut off
  EXPECT_EQ(escape_html(std::string_view("\x00\x1B\x7F", 3)), r + r + r);
  EXPECT_EQ(escape_html("a\xE2\x80\xAEz"), "a" + r + "z");  // right-to-left override
}

TEST(ScriptString, CannotEndAScript) {
  EXPECT_EQ(script_string("</script>\\\"\n"),
            "\"\\u003c/script\\u003e\\\\\\u0022\xEF\xBF\xBD\"");
}

TEST(ShowNumber, HasThreeDigits) {
  EXPECT_EQ(show_number(0.0), "0");
  EXPECT_EQ(show_number(3.0), "3");
  EXPECT_EQ(show_number(0.14321), "0.143");
  EXPECT_EQ(show_number(-1.2), "−1.2");
  EXPECT_EQ(show_number(0.00123), "0.00123");
  EXPECT_EQ(show_number(4.1e-5), "4.10e-05");
  EXPECT_EQ(show_number(12345.6), "12346");
  EXPECT_EQ(show_number(std::numeric_limits<double>::quiet_NaN()), "–");
  EXPECT_EQ(show_fixed(-0.0001, 2), "0.00");
}

TEST(ShowBytes, CountsInPowersOfTen) {
  EXPECT_EQ(show_bytes(0), "0 B");
  EXPECT_EQ(show_bytes(999), "999 B");
  EXPECT_EQ(show_bytes(1000), "1.00 kB");
  EXPECT_EQ(show_bytes(999'999), "1.00 MB");
  EXPECT_EQ(show_bytes(12'345'678), "12.35 MB");
}

TEST(HeatMapTest, ColoursFromTheSmallestToTheLargest) {
  const HeatMap map{.title = "t",
                    .columns = {{"c", {"0", "1", "2", "3"}}},
                    .rows = {{"0", {1.0, 2.0, std::nullopt, std::nullopt}}, {"1", {4.0}}}};
  const std::string html = render_heat_map(map);
  EXPECT_NE(html.find("<td class=\"q0\">1</td>"), std::string::npos);
  EXPECT_NE(html.find("<td class=\"q15\">4</td>"), std::string::npos);
  EXPECT_NE(html.find("colspan=\"2\""), std::string::npos);  // empty columns are left out
  EXPECT_NE(html.find("<td class=\"none\"></td>"), std::string::npos);
}

TEST(HeatMapTest, OfOneValueSaysSo) {
  const HeatMap map{.unit = "bits", .columns = {{"c", {"0"}}}, .rows = {{"0", {3.0}}}};
  EXPECT_NE(render_heat_map(map).find("3 bits everywhere"), std::string::npos);
}

TEST(HeatMapTest, GoesByTheLogarithmWhenOneValueIsFarAway) {
  const HeatMap map{.columns = {{"c", {"0", "1", "2"}}}, .rows = {{"0", {1.0, 10.0, 100.0}}}};
  const std::string html = render_heat_map(map);
  EXPECT_NE(html.find("logarithmic"), std::string::npos);
  EXPECT_NE(html.find("<td class=\"q8\">10</td>"), std::string::npos);
}

TEST(ModelMaps, AverageTheMatricesOfAnExpert) {
  ReportData data = full_data();
  // Two matrices of expert 0: errors 0.1 and 0.7 of equally large weights.
  data.matrices[1].place = data.matrices[0].place;
  data.matrices[1].place->projection = "down_proj";
  data.matrices[1].weight_error = 0.7;
  for (const ModelMap& map : model_maps(data)) {
    const auto& columns = map.map.columns;
    if (map.map.id == "bits") {
      EXPECT_EQ(columns.front().title, "attention");
      EXPECT_EQ(*map.map.rows.at(0).values.at(1), 2.5);
      EXPECT_EQ(map.by_projection.rows.size(), 3u);
    }
    if (map.map.id == "weight-error") {
      EXPECT_NEAR(*map.map.rows.at(0).values.at(1), 0.5, 1e-15);  // √((0.01 + 0.49) / 2)
    }
  }
}

TEST(ParseTrace, ReadsCurvesInTheirOrder) {
  const auto curves = parse_trace(
      "matrix,iteration,relative_error\nb,0,0.5\r\n\"a,\"\"1\"\"\",1,0.25\nb,1,4e-1\n",
      "t.csv");
  ASSERT_TRUE(curves) << sentence(curves);
  ASSERT_EQ(curves->size(), 2u);
  EXPECT_EQ(curves->at(0).matrix, "b");
  EXPECT_EQ(curves->at(0).relative_errors, (std::vector{0.5, 0.4}));
  EXPECT_EQ(curves->at(1).matrix, "a,\"1\"");
  EXPECT_EQ(curves->at(1).first_iteration, 1u);
}

TEST(ParseTrace, RefusesEverythingElseAndNamesTheLine) {
  const std::string head = "matrix,iteration,relative_error\n";
  expect_error(parse_trace("", "t.csv"), ErrorCode::kMalformed, {"t.csv", "no iterations"});
  expect_error(parse_trace(head, "t.csv"), ErrorCode::kMalformed, {"no iterations"});
  expect_error(parse_trace("name,i,e\na,0,1\n", "t.csv"), ErrorCode::kMalformed,
               {"line 1", "matrix,iteration,relative_error"});
  for (const char* line :
       {"a,0", "a,0,1,2", "a,-1,1", "a,0,-1", "a,0,nan", "a,0,inf", "a,0, 1", ",0,1", "\"a,0,1",
        "\"a\"b,0,1", "a\"b,0,1", "a,0.5,1", "", "a,0,1x", "a,99999999999999999999,1"}) {
    expect_error(parse_trace(head + "a,0,1\n" + line + "\nz,0,1\n", "t.csv"),
                 ErrorCode::kMalformed, {"t.csv", "line 3"});
  }
  expect_error(parse_trace(head + "a,0,1\na,2,1\n", "t.csv"), ErrorCode::kMalformed,
               {"line 3", "iteration 2", "expected 1"});
}

}  // namespace
}  // namespace trine::eval::report
