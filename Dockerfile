# The service with its console. Build: docker build -t twin .
FROM node:22-bookworm-slim AS console
WORKDIR /src
RUN npm install --global npm@11
COPY console/package.json console/package-lock.json console/.npmrc console/
RUN cd console && npm ci --no-audit --no-fund
COPY console console
RUN mkdir -p src/twin && cd console && npm run build

FROM python:3.12-slim-bookworm
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 NUMBA_CACHE_DIR=/var/cache/twin
WORKDIR /app
COPY requirements/run.txt requirements/run.txt
RUN pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY --from=console /src/src/twin/console src/twin/console
RUN pip install --no-deps . \
 && useradd --system --create-home twin \
 && mkdir -p /keys /var/cache/twin && chown twin /keys /var/cache/twin
USER twin
RUN twin warm
EXPOSE 8000
STOPSIGNAL SIGTERM
# Keys are made on the first start and kept in the volume; every later start reads them.
CMD ["sh", "-c", "[ -f \"$TWIN_KEYS\" ] || twin keys new \"$TWIN_KEYS\"; exec twin serve"]
