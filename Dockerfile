# One image for the station's service and for its page: see compose.yaml.
FROM python:3.11-slim

# A user without a home folder: the service writes to its journal's folder and nothing else.
RUN useradd --system --uid 10001 --no-create-home electra \
    && mkdir /data \
    && chown electra /data

WORKDIR /app
# The pinned list alone first: it changes less often than the program.
COPY requirements.txt ./
RUN pip install --no-cache-dir --no-deps -r requirements.txt
COPY pyproject.toml README.md LICENSE voila.json voila_public.json ./
COPY electra_core ./electra_core
COPY configs ./configs
COPY notebooks ./notebooks
RUN pip install --no-cache-dir --no-deps .

USER 10001
ENV HOME=/tmp PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000 8866

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/v1/clock', timeout=3)"]

CMD ["electra", "serve", "configs/electra_paris_15.json", "--host", "0.0.0.0", "--journal", "/data/station.journal"]
