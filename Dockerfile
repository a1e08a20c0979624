# The program, certificates, and nothing else:
#
#   docker build -t bakeoff .
#
# docs/operating.md says how it is run, and how an image with Python is made of it.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/bakeoff ./cmd/bakeoff
RUN mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bakeoff /bakeoff
COPY --from=build --chown=65532:65532 --chmod=700 /out/data /data
USER 65532:65532
ENV BAKEOFF_STORE=/data/store HOME=/data TMPDIR=/data
WORKDIR /data
VOLUME /data
EXPOSE 7700
# Other containers reach it in clear, as a proxy in front does: a token is needed all the same.
ENTRYPOINT ["/bakeoff"]
CMD ["up", "--listen", "0.0.0.0:7700", "--i-terminate-tls-elsewhere"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/bakeoff", "live"]
