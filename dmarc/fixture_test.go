package dmarc

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixtures lists the files of testdata/reports: the reason for refusing one,
// or what is counted and warned of. The golden file beside each has the rest.
var fixtures = map[string]struct {
	reason                  Reason
	records, messages, pass int64
	codes                   []Code
}{
	"plain":                   {"", 2, 11, 7, nil},
	"bom":                     {"", 2, 11, 7, nil},
	"utf16":                   {"", 2, 11, 7, nil},
	"utf16-be":                {"", 2, 11, 7, nil},
	"utf16-no-bom":            {"", 2, 11, 7, []Code{CodeCharsetMislabelled}},
	"utf16-named":             {"", 2, 11, 7, []Code{CodeCharsetMislabelled}},
	"utf16-surrogate":         {"", 2, 11, 7, []Code{CodeInvalidText}},
	"utf32":                   {ReasonEncoding, 0, 0, 0, nil},
	"latin1-declared":         {"", 2, 11, 7, nil},
	"windows-1252":            {"", 2, 11, 7, nil},
	"latin9":                  {"", 2, 11, 7, nil},
	"latin1-undeclared":       {"", 2, 11, 7, []Code{CodeInvalidText}},
	"charset-unknown":         {"", 2, 11, 7, []Code{CodeCharsetUnknown}},
	"ascii-declared-utf8":     {"", 2, 11, 7, []Code{CodeCharsetMislabelled}},
	"utf8-misnamed":           {"", 2, 11, 7, []Code{CodeCharsetMislabelled}},
	"no-decl":                 {"", 2, 11, 7, nil},
	"lead-space":              {"", 2, 11, 7, []Code{CodeLeadingSpace}},
	"decl-stray-quote":        {"", 2, 11, 7, []Code{CodeStrayText}},
	"decl-unclosed":           {"", 2, 11, 7, []Code{CodeMalformedTag}},
	"xs-schema-open":          {"", 2, 11, 7, []Code{CodeSchemaTag}},
	"xs-schema-closed":        {"", 2, 11, 7, []Code{CodeSchemaTag}},
	"control-chars":           {"", 2, 11, 7, []Code{CodeControlCharacter, CodeControlCharacter, CodeControlCharacter}},
	"bare-ampersand":          {"", 2, 11, 7, []Code{CodeBareAmpersand, CodeBareAmpersand, CodeBareAmpersand, CodeBareAmpersand}},
	"angle-in-email":          {"", 2, 11, 7, []Code{CodeBareAngle, CodeBareAngle, CodeDomainInvalid}},
	"broken-sp-tag":           {"", 2, 11, 7, []Code{CodeStrayText, CodeStrayEndTag}},
	"trailing-garbage":        {"", 2, 11, 7, []Code{CodeTrailingData}},
	"trailing-report":         {"", 2, 11, 7, []Code{CodeTrailingData}},
	"truncated":               {ReasonTruncated, 0, 0, 0, nil},
	"no-root":                 {"", 2, 11, 7, []Code{CodeMissingRoot}},
	"no-root-but-end":         {"", 2, 11, 7, []Code{CodeMissingRoot}},
	"one-line":                {"", 2, 11, 7, nil},
	"crlf-indent":             {"", 2, 11, 7, nil},
	"comments-cdata":          {"", 2, 11, 7, nil},
	"doctype":                 {"", 2, 11, 7, nil},
	"entity-declared":         {"", 2, 11, 7, []Code{CodeEntityNotExpanded, CodeOrgMissing}},
	"char-refs":               {"", 2, 11, 7, nil},
	"attrs":                   {"", 2, 11, 7, nil},
	"malformed-tag":           {"", 2, 11, 7, []Code{CodeMalformedTag}},
	"ns-default":              {"", 2, 11, 7, nil},
	"ns-malformed":            {"", 2, 11, 7, []Code{CodeUnknownNamespace}},
	"ns-prefix-all":           {"", 2, 11, 7, nil},
	"ns-prefix-root":          {"", 2, 11, 7, nil},
	"ns-undeclared-prefix":    {"", 2, 11, 7, []Code{CodeUndeclaredPrefix}},
	"ns-extension":            {"", 2, 11, 7, []Code{CodeForeignElement, CodeForeignElement, CodeForeignElement}},
	"ns-rebound":              {"", 2, 11, 7, []Code{CodeForeignElement}},
	"rfc9990":                 {"", 1, 7, 7, nil},
	"version-odd":             {"", 2, 11, 7, nil},
	"unknown-elements":        {"", 2, 11, 7, []Code{CodeUnknownElement, CodeUnknownElement, CodeUnknownElement, CodeUnknownElement}},
	"multi-error":             {"", 2, 11, 7, nil},
	"enum-case-space":         {"", 2, 11, 7, []Code{CodeValueCase, CodeValueCase, CodeValueCase, CodeValueCase}},
	"enum-unknown-results":    {"", 2, 11, 7, []Code{CodeResultUnknown, CodeResultUnknown, CodeResultMissing}},
	"disposition-odd":         {"", 2, 11, 7, []Code{CodeDispositionMissing, CodeDispositionUnknown}},
	"disposition-empty":       {"", 2, 11, 7, []Code{CodeDispositionMissing}},
	"pe-missing":              {"", 2, 11, 7, []Code{CodeEvaluationMissing, CodeEvaluationMissing}},
	"pe-odd":                  {"", 2, 11, 0, []Code{CodeEvaluationUnknown, CodeEvaluationUnknown}},
	"reasons-odd":             {"", 2, 11, 7, []Code{CodeValueCase, CodeReasonTypeMissing, CodeReasonTypeMissing}},
	"count-odd":               {"", 2, 7, 7, []Code{CodeCountRepaired, CodeCountInvalid}},
	"count-empty":             {"", 2, 0, 0, []Code{CodeCountMissing, CodeCountMissing}},
	"count-range":             {"", 2, 0, 0, []Code{CodeCountRange, CodeCountRange}},
	"reason-text":             {"", 2, 11, 7, []Code{CodeStrayText, CodeValueCase, CodeStrayText, CodeReasonTypeMissing}},
	"source-ip-odd":           {"", 10, 10, 10, []Code{CodeSourceMissing, CodeSourceInvalid, CodeSourceRepaired, CodeSourceRepaired, CodeSourceRepaired, CodeSourceRepaired, CodeSourceRepaired, CodeSourceRepaired, CodeSourceRepaired}},
	"source-ip-missing":       {"", 2, 11, 7, []Code{CodeSourceMissing}},
	"header-from-odd":         {"", 2, 11, 7, []Code{CodeDomainNormalized, CodeHeaderFromMissing}},
	"header-from-late-policy": {"", 1, 7, 7, []Code{CodeHeaderFromMissing}},
	"header-from-invalid":     {"", 2, 11, 7, []Code{CodeDomainInvalid}},
	"idn-domain":              {"", 2, 11, 7, nil},
	"policy-odd":              {"", 2, 11, 7, []Code{CodePolicyValueMissing, CodePolicyValueMissing, CodePolicyValueInvalid, CodeValueCase, CodeValueCase, CodeDuplicateElement, CodeValueCase, CodePolicyValueInvalid, CodePolicyValueInvalid}},
	"policy-dup":              {"", 2, 11, 7, []Code{CodeDuplicatePolicy}},
	"metadata-dup":            {"", 2, 11, 7, []Code{CodeDuplicateElement}},
	"element-dup":             {"", 2, 11, 7, []Code{CodeDuplicateElement, CodeDuplicateElement}},
	"order-shuffled":          {"", 2, 11, 7, nil},
	"identities":              {"", 2, 11, 7, []Code{CodeRenamedElement}},
	"zero-records":            {"", 0, 0, 0, nil},
	"empty-record":            {"", 2, 11, 7, []Code{CodeEmptyRecord, CodeEmptyRecord}},
	"auth-results-missing":    {"", 2, 11, 7, []Code{CodeAuthResultsMissing, CodeResultMissing}},
	"spf-multi-empty":         {"", 2, 11, 7, nil},
	"org-missing":             {"", 2, 11, 7, []Code{CodeOrgMissing}},
	"org-address":             {"", 2, 11, 7, []Code{CodeOrgAddress}},
	"org-space":               {"", 2, 11, 7, nil},
	"report-id-missing":       {"", 2, 11, 7, []Code{CodeReportIDMissing}},
	"report-id-odd":           {"", 2, 11, 7, nil},
	"date-ms":                 {"", 2, 11, 7, []Code{CodeDateMilliseconds, CodeDateMilliseconds}},
	"date-iso":                {"", 2, 11, 7, []Code{CodeDateText, CodeDateText}},
	"date-frac":               {"", 2, 11, 7, []Code{CodeDateFraction, CodeDateFraction}},
	"date-space":              {"", 2, 11, 7, nil},
	"date-zero-span":          {"", 2, 11, 7, []Code{CodePeriodEmpty}},
	"date-reversed":           {"", 2, 11, 7, []Code{CodePeriodReversed}},
	"date-week":               {"", 2, 11, 7, []Code{CodePeriodLong}},
	"date-future":             {"", 2, 11, 7, nil},
	"date-missing":            {ReasonNoDates, 0, 0, 0, nil},
	"date-garbage":            {ReasonNoDates, 0, 0, 0, nil},
	"date-zero":               {ReasonNoDates, 0, 0, 0, nil},
	"domain-missing":          {ReasonNoDomain, 0, 0, 0, nil},
	"records-unknown":         {ReasonSyntax, 0, 0, 0, nil},
	"records-elsewhere":       {ReasonSyntax, 0, 0, 0, nil},
	"not-a-report":            {ReasonNotAReport, 0, 0, 0, nil},
	"rss":                     {ReasonNotAReport, 0, 0, 0, nil},
	"unused":                  {ReasonNotAReport, 0, 0, 0, nil},
	"empty":                   {ReasonEmpty, 0, 0, 0, nil},
	"blank":                   {ReasonEmpty, 0, 0, 0, nil},
	"decl-only":               {ReasonTruncated, 0, 0, 0, nil},
	"mismatched-end":          {ReasonSyntax, 0, 0, 0, nil},
	"nested-in-value":         {"", 2, 11, 7, []Code{CodeNestedElement}},
	"deep-64":                 {"", 1, 7, 7, []Code{CodeUnknownElement}},
}

// fixtureFiles returns the content of testdata/reports by name.
func fixtureFiles(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/reports/*.xml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".xml")] = b
	}
	return files
}

// sortedFixtures is fixtureFiles in a fixed order.
func sortedFixtures(t testing.TB) iter.Seq2[string, []byte] {
	files := fixtureFiles(t)
	return func(yield func(string, []byte) bool) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if !yield(name, files[name]) {
				return
			}
		}
	}
}

func TestFixtures(t *testing.T) {
	files := fixtureFiles(t)
	for name := range fixtures {
		if files[name] == nil {
			t.Errorf("fixture %s has no file", name)
		}
	}
	for name, doc := range files {
		t.Run(name, func(t *testing.T) {
			want, ok := fixtures[name]
			if !ok {
				t.Fatal("not in the table of fixtures")
			}
			report, err := Parse(bytes.NewReader(doc))
			if want.reason != "" {
				var refused *Error
				if !errors.As(err, &refused) || refused.Reason != want.reason || report != nil {
					t.Errorf("got %v, want reason %s", err, want.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := want
			got.records, got.messages, got.pass, got.codes = int64(len(report.Records)), 0, 0, nil
			for _, r := range report.Records {
				got.messages += r.Count
				if r.Aligned() {
					got.pass += r.Count
				}
			}
			for _, w := range report.Warnings {
				got.codes = append(got.codes, w.Code)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(want)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			golden(t, filepath.Join("testdata/reports", name+".json"), report)
		})
	}
}

func golden(t *testing.T, path string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -want +got:\n%s", path, diff)
	}
}

// decodeAll reads a whole report with d, records included.
func decodeAll(d *Decoder, r io.Reader) (*Report, error) {
	d.Reset(r)
	var records []Record
	for rec, err := range d.Records() {
		if err != nil {
			return nil, err
		}
		records = append(records, rec.Clone())
	}
	report := *d.Report()
	report.Records = records
	return &report, nil
}
