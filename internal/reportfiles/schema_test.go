package reportfiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
)

const schemaFile = "../../docs/schema/report.schema.json"

// compileSchema compiles the schema of lines.
func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantValid holds each line of a text to the schema and returns how many there
// are of each kind.
func wantValid(t testing.TB, schema *jsonschema.Schema, text []byte) map[string]int {
	t.Helper()
	kinds := map[string]int{}
	for line := range bytes.Lines(text) {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		kind, _ := v.(map[string]any)["kind"].(string)
		kinds[kind]++
	}
	return kinds
}

// TestSchemaOfParse holds what parse prints of all samples to the schema.
func TestSchemaOfParse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	paths := []string{
		"../../exporters/dmarc_exporter/testdata/reports", "../../dmarc/testdata", "../../dmarc/tlsrpt/testdata", "../../dmarc/failure/testdata",
	}
	if err := Parse(t.Context(), Streams{Out: &out}, paths, FormatJSON, 0); err != nil && !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	kinds := wantValid(t, compileSchema(t), out.Bytes())
	t.Log(kinds)
	for _, kind := range []string{"aggregate", "tls", "failure", ""} {
		if kinds[kind] == 0 {
			t.Errorf("no line of kind %q: the samples should have all", kind)
		}
	}
}

// TestSchemaIsComplete holds the schema to the types: a line with everything in
// it is valid, and the schema has no key that no line has.
func TestSchemaIsComplete(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for name, line := range map[string]any{
		"record": &reportjson.Record{}, "policy": &reportjson.Policy{}, "failure": &reportjson.Failure{}, "refusal": &reportjson.Refusal{},
	} {
		fill(reflect.ValueOf(line).Elem())
		switch l := line.(type) {
		case *reportjson.Record:
			l.Kind, l.Disposition, l.DKIM, l.SPF, l.Policy.ADKIM, l.Policy.ASPF = "aggregate", "none", "pass", "fail", "r", "s"
			l.Policy.P, l.Policy.SP, l.Policy.NP = "none", "quarantine", "reject"
			l.AuthDKIM[0].Result, l.AuthSPF[0].Result = "pass", "softfail"
		case *reportjson.Policy:
			l.Kind, l.PolicyType, l.Details[0].ResultType = "tls", "sts", "other"
		case *reportjson.Failure:
			l.Kind, l.AuthFailure, l.DeliveryResult = "failure", "dmarc", "other"
		}
		var text bytes.Buffer
		if err := reportjson.Write(&text, line); err != nil {
			t.Fatal(err)
		}
		wantValid(t, schema, text.Bytes())
		var got map[string]any
		if err := json.Unmarshal(text.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		definition := schema.OneOf[slices.Index([]string{"record", "policy", "failure", "refusal"}, name)].Ref
		want := slices.Sorted(maps.Keys(definition.Properties))
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("keys of a %s (-schema +line):\n%s", name, diff)
		}
	}
}

// fill gives everything in a value some value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint16:
		v.SetUint(1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// FuzzParseLines brings untrusted input through parse: each line is valid.
func FuzzParseLines(f *testing.F) {
	f.Add("<feedback><report_metadata><org_name>\x00\"</org_name><report_id>1</report_id><date_range><begin>1</begin><end>2</end></date_range></report_metadata>" +
		"<policy_published><domain>x</domain><p>NONE</p><pct>-5</pct><adkim>strict</adkim></policy_published><record><row><source_ip>\u2028</source_ip><count>99999999999999999999</count></row></record></feedback>")
	f.Add(`{"organization-name":"x","date-range":{"start-datetime":"2026-11-23T00:00:00+02:00","end-datetime":"2026-11-23T23:59:59Z"},"report-id":"t","policies":[{"policy":{"policy-type":"\u0000","policy-domain":"x"},"summary":{"total-failure-session-count":-2}}]}`)
	f.Add("Content-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nAuth-Failure: x\r\nReported-Domain: x\r\nSource-IP: \x1b\r\nSource-Port: 70000\r\n")
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		if err := Parse(t.Context(), Streams{In: strings.NewReader(text), Out: &out}, []string{"-"}, FormatJSON, 0); err != nil && !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		wantValid(t, schema, out.Bytes())
	})
}
