package ingest

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Version 1 of the signatures of SNS has it.
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// snsMessage is what Amazon SNS posts.
type snsMessage struct {
	Type             string `json:"Type"`
	MessageID        string `json:"MessageId"`
	TopicARN         string `json:"TopicArn"`
	Subject          string `json:"Subject"`
	Message          string `json:"Message"`
	Timestamp        string `json:"Timestamp"`
	Token            string `json:"Token"`
	SubscribeURL     string `json:"SubscribeURL"`
	SignatureVersion string `json:"SignatureVersion"`
	Signature        string `json:"Signature"`
	SigningCertURL   string `json:"SigningCertURL"`
}

// snsCertificates remembers certificates by their addresses.
type snsCertificates struct {
	mu    sync.Mutex
	known map[string]*x509.Certificate
}

// readSNS verifies a message when there are topics, confirms a subscription, and
// returns the mail in a notification.
func (u *Upload) readSNS(ctx context.Context, m *snsMessage) (*hook, error) {
	out := &hook{final: http.StatusUnprocessableEntity}
	if len(u.config.Hooks.Topics) > 0 {
		if !slices.Contains(u.config.Hooks.Topics, m.TopicARN) {
			return nil, fmt.Errorf("%w: the topic %.200q is not one of the configuration", errUnverified, m.TopicARN)
		}
		if err := u.verifySNS(ctx, m); err != nil {
			return nil, err
		}
		out.verified = true
	}
	switch m.Type {
	case "Notification":
		var mail sesMail
		if err := json.Unmarshal([]byte(m.Message), &mail); err != nil || mail.NotificationType == "" {
			out.done = true // such as the message that confirms the subscription
			return out, nil
		}
		read, err := mail.read()
		if err == nil {
			read.verified = out.verified
		}
		return read, err
	case "SubscriptionConfirmation":
		out.done = true
		if !out.verified {
			return nil, fmt.Errorf("%w: name the topic in the configuration to confirm its subscription", errUnverified)
		}
		_, err := u.fetchSNS(ctx, m.SubscribeURL)
		if err == nil {
			u.config.Logger.Info("confirmed a subscription", "source", u.status.Name, "topic", m.TopicARN)
		}
		return out, err
	}
	out.done = true
	return out, nil
}

// text is what is signed.
func (m *snsMessage) text() string {
	fields := []string{"Message", m.Message, "MessageId", m.MessageID}
	if m.Type == "Notification" {
		if m.Subject != "" {
			fields = append(fields, "Subject", m.Subject)
		}
		fields = append(fields, "Timestamp", m.Timestamp)
	} else {
		fields = append(fields, "SubscribeURL", m.SubscribeURL, "Timestamp", m.Timestamp, "Token", m.Token)
	}
	fields = append(fields, "TopicArn", m.TopicARN, "Type", m.Type)
	return strings.Join(fields, "\n") + "\n"
}

// verifySNS checks the signature of a message.
func (u *Upload) verifySNS(ctx context.Context, m *snsMessage) error {
	certificate, err := u.snsCertificate(ctx, m.SigningCertURL)
	if err != nil {
		return err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	signature, decodeErr := base64.StdEncoding.DecodeString(m.Signature)
	if !ok || decodeErr != nil {
		return errUnverified
	}
	switch m.SignatureVersion {
	case "1":
		sum := sha1.Sum([]byte(m.text())) //nolint:gosec // See the import.
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256([]byte(m.text()))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	default:
		err = errors.New("unknown version")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnverified, err)
	}
	return nil
}

// snsHost are the servers of SNS, from which alone certificates are good.
var snsHost = regexp.MustCompile(`^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$`)

// snsCertificate returns the certificate at an address.
func (u *Upload) snsCertificate(ctx context.Context, address string) (*x509.Certificate, error) {
	u.certificates.mu.Lock()
	defer u.certificates.mu.Unlock()
	if c := u.certificates.known[address]; c != nil && time.Now().Before(c.NotAfter) {
		return c, nil
	}
	text, err := u.fetchSNS(ctx, address)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: no certificate at %.200q", errUnverified, address)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || time.Now().After(c.NotAfter) {
		return nil, fmt.Errorf("%w: %w", errUnverified, cmp.Or(err, errors.New("the certificate has expired")))
	}
	const most = 100
	if u.certificates.known == nil || len(u.certificates.known) >= most {
		u.certificates.known = make(map[string]*x509.Certificate)
	}
	u.certificates.known[address] = c
	return c, nil
}

// fetchSNS gets what is at an address of SNS. That it does not answer is nothing
// that the sender of a message could mend: it sends it again.
func (u *Upload) fetchSNS(ctx context.Context, address string) ([]byte, error) {
	where, err := url.Parse(address)
	if err != nil || where.Scheme != "https" || !snsHost.MatchString(where.Host) {
		return nil, fmt.Errorf("%w: %.200q is not an address of SNS", errUnverified, address)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := u.config.Hooks.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: ask SNS: %w", ErrNotNow, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: SNS answers %d", ErrNotNow, resp.StatusCode)
	}
	const most = 64 << 10
	return io.ReadAll(io.LimitReader(resp.Body, most))
}
