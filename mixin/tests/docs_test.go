package tests

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-jsonnet"
)

// TestDocsExample compiles the example of docs/mixin.md as its command does: a
// string for each file.
func TestDocsExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/mixin.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)my\.jsonnet <<'EOF'\n(.*?)\nEOF\njsonnet (.*?) my\.jsonnet`).FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/mixin.md has no example")
	}
	for _, flag := range []string{"-S", "-c", "-m out"} {
		if !strings.Contains(string(m[2]), flag) {
			t.Errorf("the command lacks %s: %s", flag, m[2])
		}
	}
	example := strings.ReplaceAll(string(m[1]), "github.com/dmarc-suite/dmarc-suite/mixin/", "")
	vm := jsonnet.MakeVM()
	vm.Importer(&jsonnet.FileImporter{JPaths: []string{".."}})
	vm.StringOutput = true
	files, err := vm.EvaluateAnonymousSnippetMulti("my.jsonnet", example)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"alerts.yaml", "rules.yaml", "dmarc-redis.json"} {
		if files[want] == "" {
			t.Errorf("no file %s", want)
		}
	}
	for name, content := range files {
		if strings.HasSuffix(name, ".json") && !json.Valid([]byte(content)) {
			t.Errorf("%s is no JSON", name)
		}
	}
	if !strings.Contains(files["alerts.yaml"], `redis_up{job=\"cache\"}`) {
		t.Error("the selector of Redis does not reach the alerts")
	}
	if strings.Contains(files["alerts.yaml"], "PostgresDown") || strings.Contains(files["alerts.yaml"], "NodeCPUHigh") {
		t.Error("alerts of parts that are left out are there")
	}
}
