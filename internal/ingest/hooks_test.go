package ingest_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

const (
	topic      = "arn:aws:sns:eu-west-1:000000000000:reports"
	certURL    = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem"
	mailgunKey = "key-in-a-test"
)

// fakeSNS has a certificate and signs with it. It answers for all addresses.
type fakeSNS struct {
	key       *rsa.PrivateKey
	cert      []byte
	asked     []string
	confirmed int
}

func newFakeSNS(t *testing.T) *fakeSNS {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeSNS{key: key, cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

// RoundTrip answers a request of the client of the uploads.
func (f *fakeSNS) RoundTrip(r *http.Request) (*http.Response, error) {
	f.asked = append(f.asked, r.URL.String())
	body := f.cert
	if r.URL.Query().Get("Action") == "ConfirmSubscription" {
		f.confirmed++
		body = nil
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// sign completes a message.
func (f *fakeSNS) sign(t *testing.T, m map[string]string) []byte {
	t.Helper()
	m["SigningCertURL"] = first(m["SigningCertURL"], certURL)
	m["SignatureVersion"] = first(m["SignatureVersion"], "2")
	m["Timestamp"], m["MessageId"], m["TopicArn"] = "2026-11-28T00:00:00.000Z", "id", first(m["TopicArn"], topic)
	text := ""
	for _, key := range []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
		if m[key] != "" {
			text += key + "\n" + m[key] + "\n"
		}
	}
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text))
	digest := sum[:]
	if m["SignatureVersion"] == "1" {
		old := sha1.Sum([]byte(text))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, f.key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(signature)
	return asJSON(t, m)
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ses is a notification of SES with a mail.
func ses(t *testing.T, content []byte, encoding string) string {
	text := string(content)
	if encoding == "BASE64" {
		text = base64.StdEncoding.EncodeToString(content)
	}
	return string(asJSON(t, map[string]any{
		"notificationType": "Received", "content": text, "mail": map[string]string{"source": "a@b.example"},
		"receipt": map[string]any{"action": map[string]string{"type": "SNS", "encoding": encoding}},
	}))
}

// mailgun is a form with a good signature, which other fields may spoil.
func mailgun(at time.Time, token string, fields ...string) url.Values {
	form := url.Values{"timestamp": {fmt.Sprint(at.Unix())}, "token": {token}, "recipient": {"rua@example.com"}, "body-plain": {strings.Repeat("This is a report. ", 200)}}
	mac := hmac.New(sha256.New, []byte(mailgunKey))
	mac.Write([]byte(form.Get("timestamp") + token))
	form.Set("signature", hex.EncodeToString(mac.Sum(nil)))
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return form
}

// multiForm packs fields and files, whose names begin with an at sign.
func multiForm(t *testing.T, fields url.Values) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, values := range fields {
		part, err := w.CreateFormField(name)
		if file, ok := strings.CutPrefix(name, "@"); ok {
			part, err = w.CreateFormFile(file, file+".xml")
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, values[0])
	}
	w.Close()
	return w.FormDataContentType(), b.Bytes()
}

// TestHooks takes the web hooks of mail services, verified where they are signed.
func TestHooks(t *testing.T) {
	sns := newFakeSNS(t)
	other := newFakeSNS(t)
	id := 0
	report := func() []byte { id++; return mail(ingesttest.Report(fmt.Sprint("hook", id), 1)) }
	notification := func() map[string]string {
		return map[string]string{"Type": "Notification", "Message": ses(t, report(), "UTF8")}
	}
	with := func(m map[string]string, key, value string) map[string]string { m[key] = value; return m }
	subscription := func() map[string]string {
		return map[string]string{
			"Type": "SubscriptionConfirmation", "Message": "You have chosen", "Token": "t",
			"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
		}
	}
	const formType = "application/x-www-form-urlencoded"
	form := func(v url.Values) []byte { return []byte(v.Encode()) }
	used := mailgun(time.Now(), "used", "body-mime", string(report()))
	type test struct {
		name, kind string
		body       []byte
		token      bool
		status     int
		messages   int64
	}
	multi := func(v url.Values) test { kind, body := multiForm(t, v); return test{kind: kind, body: body} }
	tests := []test{
		{"SNS, version 2", "text/plain; charset=UTF-8", sns.sign(t, notification()), false, 200, 1},
		{"SNS, version 1", "text/plain; charset=UTF-8", sns.sign(t, with(notification(), "SignatureVersion", "1")), false, 200, 1},
		{"SNS, with a subject", "", sns.sign(t, with(notification(), "Subject", "Amazon SES Email Receipt Notification")), false, 200, 1},
		{"SNS, base64", "", sns.sign(t, map[string]string{"Type": "Notification", "Message": ses(t, report(), "BASE64")}), false, 200, 1},
		{"SNS, changed", "", bytes.Replace(sns.sign(t, notification()), []byte("reports@mail.example"), []byte("reports@evil.example"), 1), false, 401, 0},
		{"SNS, signed by another", "", other.sign(t, notification()), false, 401, 0},
		{"SNS, another topic", "", sns.sign(t, with(notification(), "TopicArn", topic+"x")), false, 401, 0},
		{"SNS, certificate of another host", "", sns.sign(t, with(notification(), "SigningCertURL", "https://sns.evil.example/x.pem")), false, 401, 0},
		{"SNS, certificate of a similar host", "", sns.sign(t, with(notification(), "SigningCertURL", "https://sns.x.amazonaws.com.evil.example/x.pem")), false, 401, 0},
		{"SNS, certificate without TLS", "", sns.sign(t, with(notification(), "SigningCertURL", strings.Replace(certURL, "https", "http", 1))), false, 401, 0},
		{"SNS, forged but with the token", "", other.sign(t, notification()), true, 401, 0},
		{"SNS, no report", "", sns.sign(t, map[string]string{"Type": "Notification", "Message": ses(t, mail([]byte("hello")), "UTF8")}), false, 422, 0},
		{"SNS, stored elsewhere", "", sns.sign(t, map[string]string{"Type": "Notification", "Message": `{"notificationType":"Received","receipt":{"action":{"type":"S3"}}}`}), false, 422, 0},
		{"SNS, something else", "", sns.sign(t, map[string]string{"Type": "Notification", "Message": "Successfully validated SNS topic"}), false, 200, 0},
		{"SNS, subscription", "", sns.sign(t, subscription()), false, 200, 0},
		{"SNS, forged subscription", "", other.sign(t, subscription()), false, 401, 0},
		{"SES, raw", "", []byte(ses(t, report(), "UTF8")), true, 200, 1},
		{"SES, raw, no token", "", []byte(ses(t, report(), "UTF8")), false, 401, 0},
		{"Mailgun, mail", formType, form(mailgun(time.Now(), "a", "body-mime", string(report()))), false, 200, 1},
		{"Mailgun, mail in parts", "", nil, false, 200, 1},
		{"Mailgun, files", "", nil, false, 200, 1},
		{"Mailgun, once", formType, form(used), false, 200, 1},
		{"Mailgun, twice", formType, form(used), false, 401, 0},
		{"Mailgun, forged", formType, form(mailgun(time.Now(), "b", "signature", "00", "body-mime", string(report()))), false, 401, 0},
		{"Mailgun, old", formType, form(mailgun(time.Now().Add(-24*time.Hour), "c", "body-mime", string(report()))), false, 401, 0},
		{"Mailgun, no report", formType, form(mailgun(time.Now(), "d", "body-mime", string(mail([]byte("hello"))))), false, 406, 0},
		{"Postmark, file", "application/json", asJSON(t, map[string]any{
			"FromName": "x", "MessageStream": "inbound", "TextBody": "hello", "Attachments": []map[string]any{{"Name": "r.xml", "Content": ingesttest.Report("postmark", 1), "ContentType": "text/xml"}},
		}), true, 200, 1},
		{"Postmark, whole mail", "application/json", asJSON(t, map[string]any{"MessageStream": "inbound", "RawEmail": string(report())}), true, 200, 1},
		{"Postmark, no report", "application/json", asJSON(t, map[string]any{"MessageStream": "inbound", "TextBody": "hello"}), true, 403, 0},
		{"Postmark, no token", "application/json", asJSON(t, map[string]any{"MessageStream": "inbound", "RawEmail": string(report())}), false, 401, 0},
		{"Cloudflare", "application/json", asJSON(t, map[string]string{"from": "a@b.example", "to": "rua@example.com", "raw": string(report())}), true, 200, 1},
		{"Cloudflare, base64", "application/json", asJSON(t, map[string]any{"raw": report()}), true, 200, 1},
		{"report by curl -d", formType, ingesttest.Report("curl", 1), true, 200, 1},
		{"other form", formType, []byte("a=b&c=d"), true, 422, 0},
		{"other JSON", "application/json", []byte(`{"a":1}`), true, 422, 0},
	}
	for i := range tests {
		switch tests[i].name {
		case "Mailgun, mail in parts":
			m := multi(mailgun(time.Now(), "parts", "body-mime", string(report())))
			tests[i].kind, tests[i].body = m.kind, m.body
		case "Mailgun, files":
			m := multi(mailgun(time.Now(), "files", "@attachment-1", string(ingesttest.Report("mailgun", 1)), "attachment-count", "1"))
			tests[i].kind, tests[i].body = m.kind, m.body
		}
	}
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	server := serveUpload(t, ingest.UploadConfig{Token: "secret", Hooks: ingest.Hooks{
		Topics: []string{topic}, MailgunKey: func() (string, error) { return mailgunKey, nil }, Client: &http.Client{Transport: sns},
	}}, pipeline.Deliver)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := ingesttest.Sum(store, tally.Messages)
			req := newRequest(t, http.MethodPost, server.URL, test.body)
			req.Header.Set("Content-Type", test.kind)
			if test.token {
				req.SetBasicAuth("hook", "secret")
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if got := ingesttest.Sum(store, tally.Messages) - before; resp.StatusCode != test.status || got != test.messages {
				t.Errorf("status %d with %d messages, want %d with %d: %s", resp.StatusCode, got, test.status, test.messages, text)
			}
		})
	}
	if sns.confirmed != 1 {
		t.Errorf("%d subscriptions confirmed, want 1", sns.confirmed)
	}
	for _, address := range sns.asked {
		if !strings.HasPrefix(address, "https://sns.eu-west-1.amazonaws.com/") {
			t.Errorf("asked %s", address)
		}
	}
}
