package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// envoyGateway is the module with the CRDs of Envoy Gateway's policies.
const envoyGateway = "github.com/envoyproxy/gateway@v1.9.1"

// unread has the fields whose contents gatefold doesn't read. A policy that sets one closes its targets or names it in its status.
var unread = map[string][]string{
	"SecurityPolicy": {
		"spec.csrf", "spec.extAuth.grpc.backendSettings", "spec.extAuth.http.backendSettings", "spec.oidc",
		"spec.authorization.rules.operation.path", "spec.authorization.rules.principal.clientIPGeoLocations",
		"spec.jwt.providers.remoteJWKS.backendRef", "spec.jwt.providers.remoteJWKS.backendSettings",
	},
	"ClientTrafficPolicy": {
		"spec.connection.connectionLimit.maxConnectionDuration", "spec.connection.connectionLimit.maxRequestsPerConnection",
		"spec.connection.connectionLimit.maxStreamDuration", "spec.connection.socketBufferLimit", "spec.grpc", "spec.http1",
		"spec.http2.connectionKeepalive", "spec.http3", "spec.scheme", "spec.timeout.tcp.connectionInspectionTimeout",
		"spec.timeout.tcp.idleTimeout", "spec.tls.clientValidation", "spec.tls.fingerprints", "spec.headers.disableRateLimitHeaders",
		"spec.headers.enableEnvoyHeaders", "spec.headers.host", "spec.headers.xForwardedClientCert",
	},
}

// stricter has the fields for which gatefold refuses values that an API server accepts: Envoy Gateway refuses them later, when it
// reads the policy.
var stricter = map[string]string{
	"spec.clientIPDetection.xForwardedFor.numTrustedHops": "a number below 0",
	"spec.clientIPDetection.xForwardedFor.trustedCIDRs":   "a prefix or an address that no network has",
	"spec.authorization.rules.principal.clientCIDRs":      "a prefix or an address that no network has",
	"spec.connection.maxAcceptPerSocketEvent":             "a number below 0",
	"spec.headers.earlyRequestHeaders.remove":             "a name that no header has",
	"spec.targetSelectors":                                "an operator that label selectors don't have",
	"spec.tcpKeepalive.probes":                            "a number below 0",
	"spec.targetSelectors.matchExpressions.operator":      "an operator that label selectors don't have",
}

// TestPolicySchemas compares the verdicts of an API server and of `gatefold check` on policies of Envoy Gateway: each schema bound and
// each CEL rule of the fields that gatefold reads gives the same yes or no.
func TestPolicySchemas(t *testing.T) {
	kinds, _, err := loadCRDs(moduleFolder(t, envoyGateway, "charts/gateway-helm/charts/crds/crds/generated"))
	require.NoError(t, err)
	seeds := policySeeds(t)
	folder := t.TempDir()
	var written []writtenVariant
	for _, kind := range kinds {
		skipped, ok := unread[kind.Kind]
		if !ok {
			continue
		}
		cv := kind.versions["v1alpha1"]
		spec := cv.structural.Properties["spec"]
		skip := func(path string) bool { return slices.Contains(skipped, path) }
		for _, seed := range seeds[kind.Kind] {
			for index, variant := range variants(seed, &spec, skip) {
				problems := cv.refuses(variant.object)
				if index == 0 {
					require.Empty(t, problems, "the seed must be valid: %v", seed)
				}
				name := fmt.Sprintf("p-%d", len(written))
				variant.object["metadata"] = map[string]any{"name": name, "namespace": "default"}
				data, err := yaml.Marshal(variant.object)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(folder, name+".yaml"), data, 0o600))
				written = append(written, writtenVariant{kind.Kind, name, variant.path, variant.what, problems})
			}
		}
	}
	require.NotEmpty(t, written)
	refused := refusedByGatefold(t, folder)
	var refusedByBoth, refusedLater, different int
	for _, it := range written {
		_, isStricter := stricter[it.path]
		switch _, isRefused := refused[it.name]; {
		case isRefused && isStricter && it.problems == "":
			refusedLater++
		case isRefused != (it.problems != ""):
			different++
			t.Errorf("%s %s: %s: the API server says %q, gatefold says %q", it.kind, it.path, it.what, it.problems, refused[it.name])
		case isRefused:
			refusedByBoth++
		}
	}
	accepted := len(written) - refusedByBoth - refusedLater - different
	fmt.Printf("policies: %d variants: %d accepted by both, %d refused by both, %d refused by gatefold and later by Envoy Gateway, %d verdicts differ\n",
		len(written), accepted, refusedByBoth, refusedLater, different)
}

type writtenVariant struct {
	kind, name, path, what string
	problems               string // why the API server refuses it; empty if it doesn't
}

// refuses returns why an API server refuses an object with strict validation, as kubectl asks for. Empty if it accepts it.
func (cv *crdVersion) refuses(object map[string]any) string {
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}
	u.SetName("p")
	before := u.DeepCopy()
	pruning.Prune(u.Object, cv.structural, true)
	if !reflect.DeepEqual(before.Object, u.Object) {
		return "unknown fields"
	}
	defaulting.Default(u.Object, cv.structural)
	if errs := cv.validate(u, nil); len(errs) > 0 {
		return errs.ToAggregate().Error()
	}
	return ""
}

// refusedByGatefold returns the names of the objects that gatefold refuses, with its messages.
func refusedByGatefold(t *testing.T, folder string) map[string]string {
	command := exec.Command(*daemonBinary, "check", "--output", "json", folder)
	var errors bytes.Buffer
	command.Stderr = &errors
	output, err := command.Output()
	require.NotEmpty(t, output, "%v: %s", err, errors.String())
	var report struct {
		Diagnostics []struct {
			Message  string
			Severity string
			File     string
		}
		Objects []struct {
			Name    string
			Refused bool
		}
	}
	require.NoError(t, json.Unmarshal(output, &report))
	refused := map[string]string{}
	for _, object := range report.Objects {
		if object.Refused {
			refused[object.Name] = ""
		}
	}
	for _, found := range report.Diagnostics {
		name := strings.TrimSuffix(filepath.Base(found.File), ".yaml")
		if before, ok := refused[name]; ok && found.Severity == "error" {
			refused[name] = strings.TrimPrefix(before+"; "+found.Message, "; ")
		}
	}
	return refused
}

// policySeeds reads the policies of testdata by kind.
func policySeeds(t *testing.T) map[string][]map[string]any {
	files, err := filepath.Glob("testdata/policies/*.yaml")
	require.NoError(t, err)
	seeds := map[string][]map[string]any{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, document := range strings.Split(string(data), "\n---\n") {
			raw, err := yaml.YAMLToJSON([]byte(document))
			require.NoError(t, err)
			u := &unstructured.Unstructured{}
			require.NoError(t, u.UnmarshalJSON(raw))
			seeds[u.GetKind()] = append(seeds[u.GetKind()], u.Object)
		}
	}
	return seeds
}

// moduleFolder downloads a module that isn't in go.mod, and returns a folder of it.
func moduleFolder(t *testing.T, module, folder string) string {
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Dir = t.TempDir() // outside of this module
	output, err := command.Output()
	require.NoError(t, err, "go mod download %s: %s", module, output)
	var found struct{ Dir string }
	require.NoError(t, json.Unmarshal(output, &found))
	return filepath.Join(found.Dir, folder)
}
