package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// objects decodes the documents of a manifest. An unknown or a doubled field is an error.
func objects(t *testing.T, manifest []byte) (all []runtime.Object, err error) {
	t.Helper()
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		require.NoError(t, err)
		var kind struct {
			APIVersion, Kind string
		}
		require.NoError(t, strict.Unmarshal(document, &kind))
		object, ok := map[string]runtime.Object{
			"apps/v1/Deployment": &appsv1.Deployment{}, "v1/Service": &corev1.Service{},
			"policy/v1/PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "networking.k8s.io/v1/NetworkPolicy": &networkingv1.NetworkPolicy{},
		}[kind.APIVersion+"/"+kind.Kind]
		require.True(t, ok, "%+v", kind)
		if err := strict.UnmarshalStrict(document, object); err != nil {
			return nil, err
		}
		all = append(all, object)
	}
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile("../kubernetes/plugboard.yaml")
	require.NoError(t, err)
	all, err := objects(t, manifest)
	require.NoError(t, err)
	require.Len(t, all, 4)
	pod := all[0].(*appsv1.Deployment).Spec.Template
	container := pod.Spec.Containers[0]
	require.False(t, container.Resources.Limits.Cpu().IsZero())
	require.False(t, container.Resources.Limits.Memory().IsZero())
	require.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
	require.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
	require.Equal(t, "8081", pod.Annotations["prometheus.io/port"])
	ports := map[string]int32{}
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	require.Equal(t, map[string]int32{"http": 8080, "ops": 8081}, ports)
	require.Equal(t, "http", all[1].(*corev1.Service).Spec.Ports[0].TargetPort.StrVal)
	i := slices.IndexFunc(all, func(o runtime.Object) bool { _, ok := o.(*networkingv1.NetworkPolicy); return ok })
	policy := all[i].(*networkingv1.NetworkPolicy)
	require.Equal(t, pod.Labels, policy.Spec.PodSelector.MatchLabels)
	require.Len(t, policy.Spec.PolicyTypes, 2)

	kustomization, err := os.ReadFile("../kubernetes/kustomization.yaml")
	require.NoError(t, err)
	require.Regexp(t, `digest: sha256:[0-9a-f]{64}`, string(kustomization))
	require.NotRegexp(t, `image: .*:`, string(manifest), "a tag is not a digest")

	_, err = objects(t, bytes.Replace(manifest, []byte("replicas:"), []byte("replica:"), 1))
	require.ErrorContains(t, err, `unknown field "replica"`)
}

func TestCompose(t *testing.T) {
	t.Parallel()
	project, err := load("../compose.yaml")
	require.NoError(t, err)
	for name, service := range project.Services {
		require.True(t, service.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, service.CapDrop, name)
		require.Empty(t, service.CapAdd, name)
		require.Contains(t, service.SecurityOpt, "no-new-privileges:true", name)
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, name)
		}
	}
	postgres, err := project.GetService("postgres")
	require.NoError(t, err)
	require.NotEmpty(t, postgres.User)
	require.NotContains(t, []string{"0", "root"}, postgres.User)

	text, err := os.ReadFile("../compose.yaml")
	require.NoError(t, err)
	planted := filepath.Join(t.TempDir(), "compose.yaml")
	require.NoError(t, os.WriteFile(planted, bytes.Replace(text, []byte("read_only:"), []byte("readonly:"), 1), 0o600))
	_, err = load(planted)
	require.Error(t, err)
}

func load(file string) (*types.Project, error) {
	return loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: "..", ConfigFiles: []types.ConfigFile{{Filename: file}}, Environment: types.Mapping{"POSTGRES_PASSWORD": "secret", "APP_MAIL_HOST": "smtp.example.org", "APP_MAIL_FROM": "shop@example.org"},
	}, func(o *loader.Options) { o.SetProjectName("plugboard", true) })
}

// The image listens on both ports, and the second is named in no published one but the loopback's.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	require.Regexp(t, regexp.MustCompile(`(?m)^EXPOSE 8080 8081$`), string(text))
	require.Contains(t, string(text), "APP_OPS_ADDR=0.0.0.0:8081")
}
