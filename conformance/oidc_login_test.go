package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	shopHost     = "www.shop.test"
	shopSecret   = "a secret of the shop that can't be guessed"
	tokenSeconds = 2
)

// TestOIDCLogin logs a user in at a provider that has nothing to do with gatefold: zitadel/oidc, which is certified by the
// OpenID Foundation. The browser is Go's HTTP client with a cookie jar.
func TestOIDCLogin(t *testing.T) {
	if *daemonBinary == "" {
		t.Skip("no -daemon")
	}
	authority := newAuthority(t)
	backend := startHeaderEcho(t)
	gateway := freeAddress(t)
	site := "https://" + net.JoinHostPort(shopHost, portOf(t, gateway))
	issuer := startProvider(t, authority, site+"/oauth2/callback")
	startShop(t, authority, gateway, backend, issuer)
	browser := newBrowser(t, authority, gateway)

	// The provider shows its form.
	page, body := browser.get(site + "/page?x=y&z")
	require.Equal(t, "/login/username", page.Path, body)
	page, body = browser.post(issuer+"/login/username", url.Values{
		"id": {page.Query().Get("authRequestID")}, "username": {"test-user2"}, "password": {"verysecure"},
	})
	require.Equal(t, site+"/page?x=y&z", page.String(), body)
	first := bearer(t, body)
	require.Contains(t, body, "X-Id-Token: ey")
	require.NotContains(t, body, "OauthSession")

	// The session lasts as long as the access token.
	_, body = browser.get(site + "/page")
	require.Equal(t, first, bearer(t, body))
	require.Eventually(t, func() bool {
		_, body = browser.get(site + "/page")
		return bearer(t, body) != first
	}, 20*time.Second, 100*time.Millisecond, "the session isn't renewed")

	// The logout names the user to the provider, and the next page is its form again.
	browser.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := browser.client.Get(site + "/logout")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	location, err := response.Location()
	require.NoError(t, err)
	require.Equal(t, issuer+"/end_session", location.Scheme+"://"+location.Host+location.Path)
	require.NotEmpty(t, location.Query().Get("id_token_hint"))
	browser.client.CheckRedirect = nil
	page, body = browser.get(site + "/page")
	require.Equal(t, "/login/username", page.Path, body)
}

// bearer returns the access token that the backend has got.
func bearer(t *testing.T, body string) string {
	_, rest, found := strings.Cut(body, "Authorization: Bearer ")
	require.True(t, found, body)
	token, _, _ := strings.Cut(rest, "\n")
	return token
}

// browser is an HTTP client with cookies that connects to the Gateway for the host of the shop.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T, authority *authority, gateway string) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	dialer := &net.Dialer{}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.pool},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(address); host == shopHost {
				address = gateway
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	return &browser{t, &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}}
}

// get follows redirects. It returns the URL and the body of the last page.
func (b *browser) get(address string) (*url.URL, string) {
	response, err := b.client.Get(address)
	return b.read(response, err)
}

func (b *browser) post(address string, form url.Values) (*url.URL, string) {
	response, err := b.client.PostForm(address, form)
	return b.read(response, err)
}

func (b *browser) read(response *http.Response, err error) (*url.URL, string) {
	require.NoError(b.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, response.StatusCode, string(body))
	return response.Request.URL, string(body)
}

// startHeaderEcho starts a backend that answers with the header of the request.
func startHeaderEcho(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.Header.Write(w)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// shortLived is a provider's storage whose access tokens expire soon.
type shortLived struct{ *storage.Storage }

func (s shortLived) CreateAccessAndRefreshTokens(ctx context.Context, request op.TokenRequest, current string) (string, string, time.Time, error) {
	access, refresh, _, err := s.Storage.CreateAccessAndRefreshTokens(ctx, request, current)
	return access, refresh, time.Now().Add(tokenSeconds * time.Second), err
}

// startProvider starts the provider, and returns its issuer.
func startProvider(t *testing.T, authority *authority, callback string) string {
	server := httptest.NewUnstartedServer(nil)
	issuer := "https://" + server.Listener.Addr().String()
	clients := map[string]*storage.Client{"shop": storage.WebClient("shop", shopSecret, callback)}
	users := storage.NewStorageWithClients(storage.NewUserStore(issuer), clients)
	logger := slog.New(slog.DiscardHandler)
	server.Config.Handler = exampleop.SetupServer(issuer, shortLived{users}, logger, false)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.issue(t, "127.0.0.1")}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return issuer
}

// startShop runs the daemon with a route that needs a login, and waits until it knows the provider.
func startShop(t *testing.T, authority *authority, gateway, backend, issuer string) {
	folder, admin := t.TempDir(), freeAddress(t)
	certificates := filepath.Join(folder, ".authorities.pem")
	require.NoError(t, os.WriteFile(certificates, authority.pem, 0o600))
	t.Setenv("SSL_CERT_FILE", certificates)
	certificate := authority.issue(t, shopHost)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	encoded := func(kind string, der []byte) string {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		return base64.StdEncoding.EncodeToString(text)
	}
	manifests := strings.NewReplacer(
		"GATEWAY_PORT", portOf(t, gateway), "BACKEND_PORT", portOf(t, backend), "ISSUER", issuer, "HOST", shopHost,
		"CLIENT_SECRET", shopSecret, "CERTIFICATE", encoded("CERTIFICATE", certificate.Certificate[0]),
		"PRIVATE_KEY", encoded("PRIVATE KEY", key),
	).Replace(shopManifests)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "shop.yaml"), []byte(manifests), 0o600))
	log := filepath.Join(folder, "daemon.log")
	daemon, err := StartDaemon(*daemonBinary, "run --config-dir {dir} --admin {admin} --address 127.0.0.1", log, admin,
		map[string]string{"dir": folder, "admin": admin})
	require.NoError(t, err)
	t.Cleanup(func() { daemon.Stop() })
	probe := newBrowser(t, authority, gateway).client
	probe.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	address := "https://" + net.JoinHostPort(shopHost, portOf(t, gateway)) + "/"
	require.Eventually(t, func() bool {
		response, err := probe.Get(address)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusFound
	}, 20*time.Second, 20*time.Millisecond, "requests aren't redirected to the provider")
}

func portOf(t *testing.T, address string) string {
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &authority{certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pool}
}

// issue returns a certificate for a host, which may be an IP address.
func (a *authority) issue(t *testing.T, host string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

const shopManifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: any
  listeners: [{name: https, protocol: HTTPS, port: GATEWAY_PORT, tls: {certificateRefs: [{name: shop-tls}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [HOST]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]
  oidc:
    provider: {issuer: "ISSUER"}
    clientID: shop
    clientSecret: {name: shop-client}
    scopes: [profile, offline_access]
    forwardAccessToken: true
    forwardIDToken: {header: X-Id-Token}
---
apiVersion: v1
kind: Secret
metadata: {name: shop-client}
stringData: {client-secret: "CLIENT_SECRET"}
---
apiVersion: v1
kind: Secret
metadata: {name: shop-tls}
type: kubernetes.io/tls
data: {tls.crt: CERTIFICATE, tls.key: PRIVATE_KEY}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: BACKEND_PORT}]
`
